//! The whole control plane under simulated time, network and disks.
//!
//! A run follows from its seed: servers with the real code of `icefield-control` (Raft and its storage, reconciling, what
//! the leader does), model agents, and clients, all on one thread and on a clock that stands still while anything is to
//! be done. For some seconds things go wrong: servers crash and lose what they had not synced, messages are lost, late,
//! doubled and overtaken, the network falls apart, clocks jump. Then all is mended, and it must become as it should be.
//!
//! - [`run`] is one seed; its [`Outcome`] says what happened. [`Tally`] is many.
//! - `world` puts the parts together: `server`, `agent` with its `process`es and its machine's `system`, `client`, on the `network` and on `disk`s.
//! - `faults` has things go wrong.
//! - `observer` looks at all of it every few milliseconds and holds it against the `invariants`, of which each has a
//!   file.
//! - `chance` is where all random numbers come from, `trace` what tells two runs apart.

mod agent;
mod chance;
mod client;
mod declare;
mod disk;
mod faults;
mod history;
mod hub;
mod invariants;
mod network;
mod observer;
mod outcome;
mod process;
mod run;
mod server;
mod system;
mod tally;
mod trace;
mod wire;
mod world;

pub use outcome::{Failure, Outcome};
pub use run::{Setup, run};
pub use tally::Tally;
