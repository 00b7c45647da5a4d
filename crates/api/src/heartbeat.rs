use std::collections::BTreeMap;

use icefield_placement::ReplicaId;
use icefield_plan::Endpoint;
use icefield_spec::{Bytes, Cpu, Millis, Name, PortRange, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ReplicaState, TrustMark};

/// What an agent says of itself, over and over; the first one registers the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// The address that replicas on this node listen on and are reached by.
    pub address: String,
    /// The URL of the agent's own API (logs).
    pub api: String,
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
}

/// What a server answers to a [`Heartbeat`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatReply {
    /// The number of the node's newest generation; 0 for none.
    pub generation: u64,
    /// The time from one heartbeat to the next.
    pub every: Millis,
    /// The node counts as lost if no heartbeat comes for so long.
    pub lease: Millis,
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
