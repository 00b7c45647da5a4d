use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an evaluation may use.
///
/// The defaults are far beyond what a real cluster needs and far below what would harm the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Function calls and rounds of loops, over all files.
    pub steps: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Function calls inside each other.
    pub depth: usize,
    /// Bytes of one file.
    pub source: u64,
    /// Things declared: clusters, bases, nodes, pools, namespaces and services together.
    pub declarations: usize,
    /// The longest that an isolated evaluation may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            memory: 512 << 20,
            depth: 200,
            source: 4 << 20,
            declarations: 200_000,
            time: Duration::from_secs(20),
        }
    }
}
