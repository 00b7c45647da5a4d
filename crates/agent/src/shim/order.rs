use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use icefield_plan::ReplicaId;
use icefield_spec::{Bytes, Millis};
use serde::{Deserialize, Serialize};

use super::LogLimits;
use crate::core::Incarnation;
use crate::mounts::Mount;
use crate::process::Process;
use crate::systemd::UnitOrder;

/// `run.json`: one run of a replica, for its supervisor and for the next agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunOrder {
    /// Tells this run from the replica's others.
    pub(crate) run: u64,
    pub(crate) replica: ReplicaId,
    pub(crate) incarnation: Incarnation,
    /// How often it was started anew before.
    pub(crate) restarts: u32,
    pub(crate) stop_grace: Millis,
    /// How long it runs on after it has left discovery.
    #[serde(default)]
    pub(crate) drain: Millis,
    pub(crate) memory: Bytes,
    pub(crate) program: ProgramOrder,
    /// The units that it is, if systemd runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) units: Option<UnitOrder>,
    /// The volumes that are mounted while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mounts: Vec<Mount>,
    /// The lock of the replica's folders on this node, which its supervisor holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<PathBuf>,
    /// Whether it is never started anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) once: bool,
    /// The variables of the program that are secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<SecretVariables>,
    /// The folders of the control groups that the program joins.
    pub(crate) groups: Vec<PathBuf>,
    pub(crate) log: LogLimits,
    /// Of a singleton, until when it may run if the agent does not put that off; see [`crate::boottime`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fence: Option<u64>,
}

/// A program with all it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProgramOrder {
    /// The file that is executed.
    pub(crate) program: PathBuf,
    /// Its arguments, its own name first.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) folder: PathBuf,
}

/// Variables of a program whose values are in no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretVariables {
    /// What they are called.
    pub(crate) names: Vec<String>,
    /// Where they are until the program has them: a file in memory, which goes when it is read.
    pub(crate) file: PathBuf,
}

/// `process.json`: the process of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRecord {
    pub(crate) run: u64,
    #[serde(flatten)]
    pub(crate) process: Process,
    /// When it was started, in milliseconds since 1970 (UTC).
    pub(crate) started_at: u64,
}

/// `exit.json`: how a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    pub(crate) run: u64,
    pub(crate) outcome: Outcome,
    /// When, in milliseconds since 1970 (UTC).
    pub(crate) at: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// By itself.
    Exited { code: i32 },
    /// By a signal.
    Signalled { signal: i32 },
    /// The kernel killed it, because it wanted more memory than it may have.
    OutOfMemory { limit: Bytes },
    /// Its supervisor killed it, because its node could not renew its lease.
    Fenced,
    /// The program could not be executed.
    NotStarted { message: String },
    /// Nobody was there to see it.
    Unseen { message: String },
}

impl Outcome {
    /// The exit code of one that ended by itself.
    pub(crate) const fn code(&self) -> Option<i32> {
        match self {
            Self::Exited { code } => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with status {code}"),
            Self::Signalled { signal } => match signal_name(*signal) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {signal}"),
            },
            Self::OutOfMemory { limit } => write!(f, "killed: out of memory (limit {limit})"),
            Self::Fenced => f.write_str("killed: a singleton, and its node could not renew its lease"),
            Self::NotStarted { message } | Self::Unseen { message } => f.write_str(message),
        }
    }
}

const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        let told = |outcome: Outcome| outcome.to_string();
        assert_eq!(told(Outcome::Exited { code: 3 }), "exited with status 3");
        assert_eq!(told(Outcome::Signalled { signal: 9 }), "killed by SIGKILL");
        assert_eq!(told(Outcome::Signalled { signal: 40 }), "killed by signal 40");
        let limit = Bytes::new(64 << 20);
        assert_eq!(told(Outcome::OutOfMemory { limit }), "killed: out of memory (limit 64MiB)");
    }
}
