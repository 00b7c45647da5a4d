use std::collections::BTreeMap;

use icefield_placement::ReplicaId;
use icefield_plan::Endpoint;
use icefield_spec::{Bytes, Cpu, Millis, Name, PortRange, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ReplicaState, SystemReport, TrustMark};

/// What an agent says of itself, over and over; the first one registers the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// When its agent was started, in milliseconds since 1970: tells its reports from those of the agent before it.
    pub started: u64,
    /// The number of this report: greater than that of every other one since the agent was started.
    pub number: u64,
    /// The address that replicas on this node listen on and are reached by.
    pub address: String,
    /// The URL of the agent's own API (logs).
    pub api: String,
    /// The URL of the cache in which it serves what its store has to other nodes; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// What the machine has. What the spec declares of a node takes precedence, but for the ports.
    pub capacity: Capacity,
    /// The drivers it has: kinds of [`icefield_spec::Run`].
    pub drivers: Vec<String>,
    /// The number of the generation it has taken up; 0 for none.
    pub generation: u64,
    /// Every replica it has, also those it is stopping.
    pub replicas: Vec<ReplicaReport>,
    /// The services whose endpoints its replicas use, each with the revision of what it knows of them, if it does.
    pub endpoints: BTreeMap<Name, Option<Revision>>,
    /// What there is to say of the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What of the replicas' units was not as its generation says, lately, and was put right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// What there is to say of its NixOS system; absent from an agent that activates none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemReport>,
    /// Whether this is its last word: it has stopped its replicas and ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

/// What an agent says as long as its last [`Heartbeat`] is still true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alive {
    /// See [`Heartbeat::started`].
    pub started: u64,
    /// See [`Heartbeat::number`]: the report that is still true.
    pub number: u64,
}

/// What a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Its processors.
    pub cpu: Cpu,
    /// Its memory.
    pub memory: Bytes,
    /// Where dynamic ports are taken from, if the agent was told.
    pub ports: Option<PortRange>,
}

/// What an agent knows of one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaReport {
    /// The replica.
    pub replica: ReplicaId,
    /// The revision that runs.
    pub revision: Revision,
    /// Its state.
    pub state: ReplicaState,
    /// Its process.
    pub pid: Option<u32>,
    /// How long it has been in this state.
    pub since: Millis,
    /// How often its process was started anew after it ended by itself.
    pub restarts: u32,
    /// What there is to say: how its last process ended, what its health check answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How it ended, if it is one that is never started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
}

/// How a process ended that is never started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exit {
    /// Its exit code, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// How long it ran.
    pub took: Millis,
}

/// What a server answers to a [`Heartbeat`] and to an [`Alive`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatReply {
    /// The number of the node's newest generation; 0 for none.
    pub generation: u64,
    /// The time from one heartbeat to the next.
    pub every: Millis,
    /// The node counts as lost if no heartbeat comes for so long.
    pub lease: Millis,
    /// For how long the node may run its singletons, counted from the moment when what is answered was sent; nothing new
    /// is promised if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Millis>,
    /// Whether the server does not know the report that an [`Alive`] names, so that a [`Heartbeat`] is to follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// The endpoints that are not as the agent knows them.
    pub endpoints: BTreeMap<Name, Endpoints>,
    /// Whom the cluster trusts, in short; absent where it has no certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustMark>,
}

/// Where a service can be reached: its healthy replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoints {
    /// The content hash of the list.
    pub revision: Revision,
    /// The endpoints, by index.
    pub endpoints: Vec<Endpoint>,
}

impl Endpoints {
    /// A list with its hash.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self { revision: Revision::of(&endpoints), endpoints }
    }
}
