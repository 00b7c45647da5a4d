//! What the servers agree on. Everything here is pure: the log carries commands, and each server applies them alike.

mod command;
mod node_record;
mod service_record;

pub use command::{Applied, Command, RolloutStep};
pub use node_record::NodeRecord;
pub use service_record::{Rollout, ServiceRecord};

use std::collections::{BTreeMap, VecDeque};

use icefield_api::{Event, HistoryEntry};
use icefield_placement::Placement;
use icefield_spec::{Name, Spec};
use serde::{Deserialize, Serialize};

/// The replicated state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The log index of the last command that changed anything.
    pub version: u64,
    /// The spec in force.
    pub spec: Option<Spec>,
    /// What there is to know of each service, also of one that is gone while replicas of it are placed.
    pub services: BTreeMap<Name, ServiceRecord>,
    /// Every node whose agent has registered.
    pub nodes: BTreeMap<Name, NodeRecord>,
    /// Where every replica is.
    pub placement: Placement,
    /// The specs that were put in force, newest last.
    pub history: VecDeque<HistoryEntry>,
    /// What happened, newest last.
    pub events: VecDeque<Event>,
    /// The number of the newest event.
    pub last_event: u64,
}
