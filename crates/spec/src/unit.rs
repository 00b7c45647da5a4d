use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Amount, Bytes, ConfigFile, Cpu, FixedPorts, Health, Millis, Name, Port, Revision, Run, Volume};

/// What every replica of a service revision is, wherever it runs.
///
/// The service's revision is the hash of its unit alone. What only steers the service (how many, where, how it is
/// updated) is not part of it, so changing that restarts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// What runs.
    pub run: Run,
    /// Processor time reserved for one replica.
    pub cpu: Cpu,
    /// Memory reserved for one replica; also its limit.
    pub memory: Bytes,
    /// What it needs of other resources that nodes declare.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, Amount>,
    /// Folders that outlive the replica, by name. Those of the node tie it to the one that it was first on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<Name, Volume>,
    /// Ports by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<Name, Port>,
    /// Environment variables; values may refer to the replica's variables as `$NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are secrets: the secret's name by the variable's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_env: BTreeMap<String, Name>,
    /// Files that each replica gets, by path: within a folder of its own, or within its container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ConfigFile>,
    /// The version of each secret that it names. The cluster fills it in when it puts a spec in force, so that another
    /// version is another revision; what is given is passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<Name, u64>,
    /// Services whose endpoints this one is told, in files that follow every change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Name>,
    /// The ports of the services in `uses` that are the same for all their replicas. The cluster fills it in when it puts a
    /// spec in force; what is given is passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used_ports: FixedPorts,
    /// How to tell whether it is healthy; without one, a running process is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whether each replica is to run at most once at any time, whatever fails. A node that cannot renew its lease kills
    /// it before any other node starts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub singleton: bool,
    /// How long a replica with ports runs on after it has left discovery, before SIGTERM: time for its callers to learn of
    /// that.
    #[serde(default = "Unit::default_drain", skip_serializing_if = "is_default_drain")]
    pub drain: Millis,
    /// Whether it runs to its end and is never started anew: so are the attempts of jobs, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// How long a replica may take to end after SIGTERM before it is killed.
    #[serde(default = "Unit::default_stop_grace")]
    pub stop_grace: Millis,
}

impl Unit {
    /// Ten seconds.
    pub const fn default_stop_grace() -> Millis {
        Millis::new(10_000)
    }

    /// Two seconds: an answer of DNS may be kept for one, and is given by a node that may hear of a change a moment later.
    pub const fn default_drain() -> Millis {
        Millis::new(2_000)
    }

    /// A unit of which no more is known than this.
    pub fn new(run: Run, cpu: Cpu, memory: Bytes) -> Self {
        Self {
            run,
            cpu,
            memory,
            resources: BTreeMap::new(),
            volumes: BTreeMap::new(),
            ports: BTreeMap::new(),
            env: BTreeMap::new(),
            secret_env: BTreeMap::new(),
            files: BTreeMap::new(),
            secrets: BTreeMap::new(),
            uses: Vec::new(),
            used_ports: BTreeMap::new(),
            health: None,
            singleton: false,
            drain: Self::default_drain(),
            once: false,
            stop_grace: Self::default_stop_grace(),
        }
    }

    /// Whether a replica runs at most once at any time: because that is declared, or because it has a volume that only one
    /// may have.
    pub fn is_singleton(&self) -> bool {
        self.singleton || self.volumes.values().any(|volume| volume.source.is_exclusive())
    }

    /// Whether a replica is tied to its node by a folder there.
    pub fn is_tied(&self) -> bool {
        self.volumes.values().any(|volume| volume.source.is_host())
    }

    /// The secrets that it names.
    pub fn secret_names(&self) -> BTreeSet<Name> {
        let of_files = self.files.values().flat_map(ConfigFile::secrets);
        self.secret_env.values().cloned().chain(of_files).collect()
    }

    /// The services whose endpoints its replicas are told, in files of their own or in templates.
    pub fn peers(&self) -> BTreeSet<Name> {
        self.uses.iter().cloned().chain(self.files.values().flat_map(ConfigFile::peers)).collect()
    }

    /// The revision of the service that has this unit.
    pub fn revision(&self) -> Revision {
        Revision::of(self)
    }
}

fn is_default_drain(drain: &Millis) -> bool {
    *drain == Unit::default_drain()
}
