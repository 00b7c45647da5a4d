//! How everything else talks to a cluster: the types on the wire, the table of operations, and the client.
//!
//! All bodies are JSON. Reading answers carry the `schema` version of their form; fields are only ever added within
//! one version.

mod apply;
mod client;
mod error;
mod event;
mod explain;
mod heartbeat;
mod idempotency;
mod node;
mod openapi;
mod operation;
mod rebalance;
mod report;
mod server;
mod stale;
mod status;

pub use apply::{ApplyRequest, ApplyResponse, History, HistoryEntry, PlanBasis};
pub use client::{Client, ClientError};
pub use error::{ErrorBody, ErrorCode};
pub use event::{Event, EventKind, Events, NoteAnswer, NoteRequest};
pub use explain::{ExplainedReplica, ServiceExplanation};
pub use heartbeat::{Alive, Capacity, Endpoints, Heartbeat, HeartbeatReply, ReplicaReport};
pub use idempotency::IdempotencyKey;
pub use node::{NodeAction, NodeState};
pub use openapi::openapi;
pub use operation::{OPERATIONS, Operation};
pub use rebalance::{
    RebalanceAnswer, RebalanceProposal, RebalanceRequest, RebalanceStart, RebalanceStatus, RebalanceStop,
};
pub use report::{PlanReport, PlannedChange, UnplacedReason, UnplacedReplica};
pub use server::{JoinAnswer, JoinRequest, ServerEntry, ServerMove, Servers};
pub use stale::Stale;
pub use status::{
    HoldStatus, NodeStatus, ReplicaState, ReplicaStatus, RolloutState, RolloutStatus, ServerStatus, ServiceStatus,
    Status,
};

/// The version of the answers' form.
pub const SCHEMA: u32 = 1;
