//! How everything else talks to a cluster: the types on the wire, the table of operations, and the client.
//!
//! All bodies are JSON. Reading answers carry the `schema` version of their form; fields are only ever added within
//! one version.

mod access;
mod apply;
mod audit;
mod base;
mod client;
mod closure_peers;
mod endpoints;
mod enrol;
mod error;
mod event;
mod explain;
mod heartbeat;
mod http;
mod idempotency;
mod job;
mod join_token;
mod keyring;
mod node;
mod openapi;
mod operation;
mod paced;
mod past_generation;
mod rebalance;
mod report;
mod role;
mod rollout;
mod secret;
mod server;
mod stale;
mod status;
mod trust;
mod user_token;

pub use access::Access;
pub use apply::{ApplyRequest, ApplyResponse, History, HistoryEntry, PlanBasis};
pub use audit::{AuditBreak, AuditEntry, AuditFacts, AuditLog};
pub use base::{BaseHistory, BaseRolloutAnswer, BaseStatus, NodeHistory, SystemEntry, SystemReport, SystemState};
pub use client::{Client, ClientError};
pub use closure_peers::{ClosurePeer, ClosurePeers};
pub use endpoints::{EndpointChanges, EndpointMark, ServiceEndpoints};
pub use enrol::{EnrolAnswer, EnrolRequest, RenewAnswer, RenewRequest};
pub use error::{ErrorBody, ErrorCode};
pub use event::{Event, EventKind, Events, NoteAnswer, NoteRequest};
pub use explain::{ExplainedReplica, ServiceExplanation};
pub use heartbeat::{Alive, Capacity, Endpoints, Exit, Heartbeat, HeartbeatReply, ReplicaReport};
pub use http::{Http, HttpOptions};
pub use idempotency::IdempotencyKey;
pub use job::{
    AttemptOutcome, JobAttempt, JobHistory, JobRun, JobRunAnswer, JobRunRequest, JobStatus, Jobs, RunCause, RunOutcome,
};
pub use join_token::{JoinRole, JoinTokenRequest, JoinTokenStatus, JoinTokens};
pub use keyring::{Held, IdentityError, IdentityFolder, JoinError, Keeper, Keyring, join, write_secret};
pub use node::{NodeAction, NodeState};
pub use openapi::openapi;
pub use operation::{OPERATIONS, Operation};
pub use paced::Paced;
pub use past_generation::PastGeneration;
pub use rebalance::{
    RebalanceAnswer, RebalanceProposal, RebalanceRequest, RebalanceStart, RebalanceStatus, RebalanceStop,
};
pub use report::{PlanReport, PlannedChange, UnplacedReason, UnplacedReplica};
pub use role::Role;
pub use rollout::{RolloutAction, RolloutAnswer, RolloutEntry, RolloutHistory, RolloutPhase};
pub use secret::{
    BackupKeyAnswer, BackupKeyRequest, Done, NodeSecrets, SecretAnswer, SecretList, SecretRequest, SecretStatus,
    SecretValue, ServerKeyRequest,
};
pub use server::{JoinAnswer, JoinRequest, ServerEntry, ServerMove, Servers};
pub use stale::Stale;
pub use status::{
    HoldStatus, NodeStatus, ReplicaState, ReplicaStatus, RolloutState, RolloutStatus, ServerStatus, ServiceStatus,
    Status,
};
pub use trust::{AuthorityStatus, CaStatus, RotateRequest, RotationPhase, TrustAnswer, TrustMark};
pub use user_token::{TokenProof, UserTokenRequest, UserTokenRotation, UserTokenStatus, UserTokens};

/// The version of the answers' form.
pub const SCHEMA: u32 = 1;
