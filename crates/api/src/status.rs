use std::collections::BTreeMap;
use std::fmt;

use icefield_spec::{Bytes, Cpu, Name, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BaseStatus, JobStatus, NodeState, RebalanceStatus, RolloutPhase, Stale, SystemReport};

/// What is true now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// Rises with every change of this answer; a watch waits for one beyond a given index. Those of answers that may be
    /// out of date count by themselves.
    pub index: u64,
    /// The cluster's name; `None` before the first apply.
    pub cluster: Option<Name>,
    /// The URL of the server that answered.
    pub api: String,
    /// The name of the leading server, if there is one.
    pub leader: Option<String>,
    /// The revision of the spec in force.
    pub revision: Option<Revision>,
    /// The servers.
    pub servers: Vec<ServerStatus>,
    /// The rebalancing that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
    /// Nodes that went silent together and are therefore not replaced for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// The services, by name.
    pub services: Vec<ServiceStatus>,
    /// The jobs, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobStatus>,
    /// The bases whose nodes are to run a system, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<BaseStatus>,
    /// The nodes, by name.
    pub nodes: Vec<NodeStatus>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// Nodes that went silent together: likelier than all of them, the network has failed, or the server that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldStatus {
    /// The nodes, by name.
    pub nodes: Vec<Name>,
    /// Since when the first of them is held, in milliseconds since 1970 (UTC).
    pub since: u64,
    /// When the first of them count as lost after all, if they stay silent; a few follow at a time.
    pub until: u64,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub api: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it votes; one that does not is catching up.
    pub voter: bool,
}

impl ServerStatus {
    /// The header of an answer that the server which was asked got from the leader: the leader's URL.
    pub const LEADER_HEADER: &str = "icefield-leader";
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Its name.
    pub name: Name,
    /// The revision that its replicas are to have.
    pub revision: Revision,
    /// Whether it is a daemon: one replica on every node that it may be on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub daemon: bool,
    /// The namespace whose quota it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// Where there is no room for all, services of lower priority give way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// How many replicas there are to be: of a daemon, as many as there are nodes for it.
    pub desired: u32,
    /// How many have a running process: states `running`, `healthy` and `unhealthy`.
    pub running: u32,
    /// How many are healthy.
    pub healthy: u32,
    /// How many are of [`Self::revision`] and healthy.
    pub updated: u32,
    /// Of how many it is not known, because the server that answered does not lead: see [`ReplicaState::Unknown`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: u32,
    /// The change from one revision to another that is under way, or the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// The replicas, by index: those declared, and those that are still to stop.
    pub replicas: Vec<ReplicaStatus>,
}

/// One rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutStatus {
    /// The revision before; `None` for a new service.
    pub from: Option<Revision>,
    /// The revision after.
    pub to: Revision,
    /// Where it stands.
    pub state: RolloutState,
    /// Why, or what it waits for.
    pub message: String,
    /// What it is at; `None` if it is not under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RolloutPhase>,
    /// Whether a person has paused it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub paused: bool,
    /// Since when it waits for what it waits for, or is over, in milliseconds since 1970 (UTC).
    #[serde(default)]
    pub since: u64,
    /// When it started, in milliseconds since 1970 (UTC).
    #[serde(default)]
    pub started: u64,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutState {
    /// Under way.
    Progressing,
    /// Every replica is of the new revision and healthy.
    Done,
    /// It failed, and replicas stay as they are.
    Failed,
    /// It failed, and replicas go back to the revision before.
    RollingBack,
    /// It failed, and every replica is of the revision before again.
    RolledBack,
    /// Another one took its place before it had ended; of those in the past only.
    Superseded,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaStatus {
    /// Which of the service's replicas.
    pub index: u32,
    /// The node it is on; `None` if it is placed nowhere.
    pub node: Option<Name>,
    /// Its state.
    pub state: ReplicaState,
    /// Its process.
    pub pid: Option<u32>,
    /// Its ports by name.
    pub ports: BTreeMap<Name, u16>,
    /// The revision it has, or is to have while it is pending.
    pub revision: Option<Revision>,
    /// How often its process was started anew after it ended by itself.
    pub restarts: u32,
    /// What there is to say: why it is pending, how its last process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The state of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// Placed nowhere, or its node has not taken it up yet.
    Pending,
    /// Being started.
    Starting,
    /// Its process runs, and its health check has not answered well yet.
    Running,
    /// Its process runs and its health check, if it has one, answers well.
    Healthy,
    /// Its process runs and its health check has failed too often in a row.
    Unhealthy,
    /// Being stopped.
    Stopping,
    /// Its process has ended or could not be started; it is tried again after a pause.
    Failed,
    /// Its process has ended well, and is not started anew: so end the attempts of jobs.
    Completed,
    /// It is placed, and what it does only the leader knows: the answer is of a server that does not lead.
    Unknown,
}

impl ReplicaState {
    /// Whether a process runs.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Healthy | Self::Unhealthy)
    }
}

impl fmt::Display for ReplicaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Unknown => "unknown",
        })
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatus {
    /// Its name.
    pub name: Name,
    /// Its state.
    pub state: NodeState,
    /// Its labels, the implied ones among them.
    pub labels: BTreeMap<String, String>,
    /// The address that its replicas are reached by.
    pub address: Option<String>,
    /// What replicas may use of its processors together, and what those on it reserve.
    pub cpu: Cpu,
    /// Reserved processor time.
    pub cpu_used: Cpu,
    /// What replicas may use of its memory together.
    pub memory: Bytes,
    /// Reserved memory.
    pub memory_used: Bytes,
    /// How many replicas are placed on it.
    pub replicas: u32,
    /// The number of its newest generation.
    pub generation: u64,
    /// The number of the generation that its agent has taken up.
    pub applied: Option<u64>,
    /// What its agent says of its NixOS system; absent where that activates none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemReport>,
    /// What its agent has to say of itself: `"no cgroup: limits are not enforced"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
