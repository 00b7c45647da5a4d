//! The servers: what they agree on, and what they decide from it.
//!
//! - [`state`] is what the servers agree on: a value that changes by [`Command`]s alone, the same on every server.
//! - [`observe`] is what the leading server sees of the nodes.
//! - [`reconcile`] decides from both what must happen next.
//! - [`view`] tells people and agents what is so.
//!
//! None of these reads a clock, a file or the network: time and all that is seen are passed in.

mod count;
pub mod observe;
pub mod reconcile;
pub mod state;
pub mod view;

pub use state::{Applied, Command, State};
