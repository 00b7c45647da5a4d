//! The servers: what they agree on, and what they decide from it.
//!
//! - [`state`] is what the servers agree on: a value that changes by [`Command`]s alone, the same on every server.

mod raft;
pub mod state;

pub use raft::{FolderError, GroupError, Member, ProposeError, Timings};
pub use state::{Applied, Command, State};
