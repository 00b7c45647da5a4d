use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use icefield_dns::DnsError;
use icefield_spec::Name;

/// Why an agent cannot start, or a folder of one not be cleared.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The folder cannot be used.
    #[error("cannot use the folder {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another agent uses the folder.
    #[error("another agent runs with the folder {}; stop it first, or give this one a folder of its own", folder.display())]
    Running {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder is another node's.
    #[error(
        "the folder {} belongs to node {owner}, not to {node}; give this node a folder of its own", folder.display()
    )]
    OtherNode {
        /// The folder.
        folder: PathBuf,
        /// The node whose folder it is.
        owner: Name,
        /// The node that was to use it.
        node: Name,
    },
    /// The agent's API, or its cache, cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no timer for it.
    #[error("cannot get a timer: {0}; `ulimit -n` says how many files it may have open")]
    Timer(#[source] io::Error),
    /// DNS cannot be answered.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// No command starts a supervisor.
    #[error("the agent was not told how to start a supervisor: its shim command is empty")]
    NoShim,
    /// Processes that were killed have not gone.
    #[error("{count} replicas of {} were killed and have not ended yet; try again", folder.display())]
    Lingering {
        /// The folder.
        folder: PathBuf,
        /// How many.
        count: usize,
    },
    /// The agent's own work ended in a way it should not have.
    #[error("the agent failed; what it was doing when it did is in the log")]
    Failed,
}
