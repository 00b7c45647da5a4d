use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::command_error::CommandError;

/// Where a dev cluster keeps what, below its data folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// What runs of a dev cluster, as `dev.json` in its data folder says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// The version of this form.
    pub(crate) schema: u32,
    /// The process of `icefield dev`.
    pub(crate) pid: u32,
    /// The file that is applied.
    pub(crate) file: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Whether the data folder goes when the cluster ends.
    pub(crate) temporary: bool,
    /// The servers.
    pub(crate) servers: Vec<RunningServer>,
    /// The agents.
    pub(crate) nodes: Vec<RunningNode>,
}

/// A server of a dev cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningServer {
    /// Its name.
    pub(crate) name: String,
    /// Its URL.
    pub(crate) api: String,
    /// Its process; `None` while it is started anew.
    pub(crate) pid: Option<u32>,
}

/// An agent of a dev cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningNode {
    /// The node's name.
    pub(crate) name: String,
    /// Its process; `None` while it is started anew, or after `kill-node`.
    pub(crate) pid: Option<u32>,
    /// Where it answers DNS.
    #[serde(default)]
    pub(crate) dns: Option<SocketAddr>,
}

impl Running {
    /// The URLs of the servers.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.api.clone()).collect()
    }
}

impl Layout {
    /// The layout below `root`.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The data folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Which ports and addresses were given out, so that a restart gives out the same.
    pub(crate) fn slots(&self) -> PathBuf {
        self.root.join("slots.json")
    }

    /// What a process of the cluster writes to standard error.
    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// The state of a server.
    pub(crate) fn server(&self, name: &str) -> PathBuf {
        self.root.join("servers").join(name)
    }

    /// The state of an agent.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.root.join("nodes").join(name)
    }

    /// While this file is there, the node's plug is pulled.
    pub(crate) fn unplugged(&self, name: &str) -> PathBuf {
        self.root.join("unplugged").join(name)
    }

    /// The nodes that have state here, by name.
    pub(crate) fn nodes(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join("nodes")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Creates the folders.
    pub(crate) fn create(&self) -> Result<(), CommandError> {
        for folder in ["logs", "servers", "nodes", "unplugged"] {
            fs::create_dir_all(self.root.join(folder)).map_err(|error| {
                CommandError::because(format!("cannot create {}", self.root.join(folder).display()), &error)
            })?;
        }
        Ok(())
    }

    /// Takes the data folder for this process; `None` if another one has it. The lock goes with the process.
    pub(crate) fn lock(&self) -> Result<Option<File>, CommandError> {
        let path = self.root.join("dev.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| CommandError::because(format!("cannot open {}", path.display()), &error))?;
        // A command that asks whether a cluster runs holds the lock for a moment.
        for _ in 0..20 {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(CommandError::because(format!("cannot lock {}", path.display()), &error)),
            }
        }
        Ok(None)
    }

    /// Whether a process has the data folder.
    pub(crate) fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.root.join("dev.lock")) else { return false };
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// Says what runs.
    pub(crate) fn write_running(&self, running: &Running) -> Result<(), CommandError> {
        write_json(&self.root.join("dev.json"), running)
    }

    /// What was last said to run, whether or not it still does.
    pub(crate) fn read_running(&self) -> Option<Running> {
        serde_json::from_slice(&fs::read(self.root.join("dev.json")).ok()?).ok()
    }
}

/// Writes `value` so that a reader sees the old file or the new one, whole.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CommandError> {
    let fail = |error: &dyn std::error::Error| CommandError::because(format!("cannot write {}", path.display()), error);
    let mut text = serde_json::to_string_pretty(value).map_err(|error| fail(&error))?;
    text.push('\n');
    let fresh = path.with_extension("json.new");
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path)).map_err(|error| fail(&error))
}
