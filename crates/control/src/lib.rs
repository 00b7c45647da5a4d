//! The servers: what they agree on, and what they decide from it.
//!
//! Pure, in that no clock, file or network is read; time and all that is seen are passed in:
//!
//! - [`state`] is what the servers agree on: a value that changes by [`Command`]s alone, the same on every server.
//! - [`observe`] is what the leading server sees of the nodes.
//! - [`reconcile`] decides from both what must happen next.
//! - [`view`] tells people and agents what is so.
//! - [`access`] says who may ask for what.
//!
//! Where the world is:
//!
//! - [`raft`] is how the servers agree; nothing of the Raft library is seen outside of it.
//! - [`vault`] seals and opens secrets.
//! - [`Leading`] is what the one that leads does: it listens to the nodes, and proposes what must happen next.
//! - `cataloguer` keeps a list of all endpoints meanwhile, for whoever watches them.
//! - `http` is the API that all of them serve.
//! - `security` gives a server its identity, and keeps the audit log's file.
//! - [`Server`] puts these together.

pub mod access;
mod begin;
mod blocking;
mod catalog;
mod cataloguer;
mod clock;
mod count;
mod http;
mod leading;
pub mod observe;
pub mod raft;
pub mod reconcile;
mod security;
mod server;
pub mod state;
pub mod vault;
pub mod view;

pub use begin::Begin;
pub use clock::Clock;
pub use leading::Leading;
pub use raft::{FolderError, GroupError, Member, MembershipError, ProposeError, Seat, Timings};
pub use security::{Security, SecurityError};
pub use server::{Server, ServerConfig, ServerError, StartError};
pub use state::{Applied, Command, State};
