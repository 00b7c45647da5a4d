//! Which replica runs on which node, with which ports, and why.
//!
//! An [`Engine`] is a value that is fed what is wanted and what there is ([`Demand`]s, [`Host`]s, the current
//! [`Placement`]) and asked to [`Engine::solve`]. It reads no clock and no randomness; its answer depends on what it
//! was fed and not on the order of feeding.
//!
//! # What decides
//!
//! Hard rules admit a node or do not: whether it takes replicas at all, required labels, CPU and memory, ports, one
//! replica a node, and the `max` of a spread. What a service's demands set as `max` or as one a node counts for all its
//! replicas, of whatever revision.
//!
//! Among the nodes that are admitted, points decide:
//!
//! - Each replica of the service in the same domain costs 128 points under the first `spread`, 64 under the second, and
//!   so on by halves. A node without the label counts as if all the service's replicas were in its domain.
//! - Each `prefer` gives its weight. So one replica more or less under the first spread outweighs any single
//!   preference; under the second, a preference above 64 outweighs one replica.
//! - The layout gives less than one point, by how much of the node would be in use: it decides between nodes that are
//!   otherwise alike.
//!
//! Among equals, the node whose name comes first is taken.

mod demand;
mod engine;
mod explanation;
mod host;
mod objective;
mod outcome;
mod placement;
mod replica;
mod rules;

#[cfg(test)]
mod examples;
// The tests beside the code and those from outside make their fleets in one way.
#[cfg(test)]
extern crate self as icefield_placement;
#[cfg(test)]
#[path = "../tests/engine/fleet.rs"]
mod fleet;

pub use demand::Demand;
pub use engine::{Cost, Effort, Engine, Improvement, Progress};
pub use explanation::{Alternative, Exclusion, Explanation, ScorePart};
pub use host::{Acceptance, Host};
pub use objective::{Balance, Distances, Moves, Objective, Weight};
pub use outcome::{Change, ChangeKind, Solution, Unplaced};
pub use placement::{Assignment, Placement};
pub use replica::{InvalidReplica, ReplicaId};
