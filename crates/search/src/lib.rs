//! Improvement search: makes a layout of replicas on nodes better, given time.
//!
//! It knows numbers only: no names, no clock, no I/O. What to place, where, and what rules and costs there are is a
//! [`Problem`]; a [`State`] is a layout with all that counts; [`improve`] looks for a better one for as long as it may.

mod bit_set;
mod check;
mod cost;
mod effort;
mod elite;
mod evaluate;
mod improve;
mod model;
mod problem;
mod random;
mod refusal;
#[cfg(test)]
mod sample;
mod state;
mod violation;
mod walk;

pub use bit_set::BitSet;
pub use cost::Cost;
pub use effort::{Effort, Progress};
pub use evaluate::evaluate;
pub use improve::{Improved, improve};
pub use problem::{
    Balance, Even, Gain, Kind, Label, Limit, Link, MinDomains, Moves, NO_DOMAIN, Node, Problem, Replica, Resource,
    Service, Skew,
};
pub use refusal::Refusal;
pub use state::State;
pub use violation::{Rule, Violation};
