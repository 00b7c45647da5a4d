//! The servers: what they agree on, and what they decide from it.
//!
//! - [`state`] is what the servers agree on: a value that changes by [`Command`]s alone, the same on every server.
//! - `raft` is how they agree on it; nothing of the Raft library is seen outside of it.
//! - `leading` is what the one that leads does: it watches the nodes, and proposes what must happen next.
//! - `http` is the API that all of them serve.
//! - [`Server`] puts these together.

mod clock;
mod http;
mod leading;
mod raft;
mod server;
pub mod state;

pub use raft::{FolderError, GroupError, Member, ProposeError, Timings};
pub use server::{Server, ServerConfig, ServerError, StartError};
pub use state::{Applied, Command, State};
