//! What to do next, decided from what is wanted and what is known. No process, no file, no clock: time is passed in.

mod backoff;
mod checks;
mod decide;
mod local;
mod replica;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use icefield_plan::{NodePlan, PlannedReplica};
use icefield_spec::{Name, Revision};
use serde::{Deserialize, Serialize};

pub use backoff::Timings;
pub(crate) use checks::Answer;
pub(crate) use decide::{Action, Wanted, decide};
pub(crate) use local::Local;
pub(crate) use replica::{Event, Found, drain};

/// A point in time: so long after some beginning that stays the same.
pub(crate) type Moment = Duration;

/// What is to run as a replica: when any of it changes, the process is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incarnation {
    pub(crate) revision: Revision,
    pub(crate) ports: BTreeMap<Name, u16>,
    pub(crate) address: String,
}

impl Incarnation {
    pub(crate) fn of(plan: &NodePlan, replica: &PlannedReplica) -> Self {
        Self { revision: replica.revision, ports: replica.ports.clone(), address: plan.address.clone() }
    }

    /// Whether it is what the plan says of the replica.
    pub(crate) fn is_of(&self, plan: &NodePlan, replica: &PlannedReplica) -> bool {
        self.revision == replica.revision && self.ports == replica.ports && self.address == plan.address
    }
}
