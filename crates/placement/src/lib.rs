//! Which replica runs on which node, with which ports, and why.
//!
//! An [`Engine`] is a value that is fed what is wanted and what there is ([`Demand`]s, [`Host`]s, quotas, the
//! [`Objective`], the current [`Placement`]) and asked to [`Engine::solve`]. It reads no clock and no randomness; its
//! answer depends on what it was fed and not on the order of feeding, nor on the answers before.
//!
//! # What must hold
//!
//! Hard rules admit a node or do not. Most hold for a replica that comes and for one that is there; one that is there and
//! breaks such a rule leaves.
//!
//! | rule | holds for | says |
//! |---|---|---|
//! | lost, draining | all | such a node has no replicas |
//! | cordoned | what comes | such a node takes no further replica |
//! | taint | all | no taint that the service does not tolerate |
//! | require | all | a label is, or is not, as it should be |
//! | quota | what comes | a namespace has no more replicas, nor of a resource, than it may |
//! | resources | all | what a node's replicas need together it has, beyond what it keeps in reserve |
//! | ports | all | fixed ports are free, and enough of the range for dynamic ones |
//! | keep with | all, once everything is placed | a replica of another service is near |
//! | keep from | all, and both services | no replica of another service is near |
//! | one a node | all | at most one replica of a service on a node |
//! | `max` of a spread | all | at most so many replicas in a domain |
//! | `max_skew` of a spread | what comes | no domain gets too many more than the one with the fewest |
//! | `min_domains` of a spread | all | once all are placed, they are in so many domains |
//! | tie | all | a replica with a volume, or of a daemon, is on one node and no other |
//!
//! What a service's demands set of these for the service as a whole counts all its replicas, of whatever revision.
//! Resources that the objective calls transient are needed on both nodes by a replica that moves.
//!
//! # What goes first
//!
//! A replica stays where it is as long as it may, even if another node would now be better. What is nowhere is placed
//! group by group: higher priorities first, then what others are kept with, what few nodes will do for, and what is
//! large.
//!
//! What finds no room makes some, if others of lower priority are in its way: on the node where that does the least harm,
//! which is to say the lowest priorities, then the fewest replicas, then the smallest. They look for another place.
//!
//! If something is still nowhere only because of what else is where, room is looked for by moving that: by a short
//! search, and where there is little to be tried, by trying all ways. So with a few dozen replicas a placement is found
//! wherever there is one. In fleets of more than 500 nodes or 5,000 replicas it would take longer than a decision may;
//! there, what found no room waits for some.
//!
//! # What is better
//!
//! Among the nodes that are admitted, points decide. They are costs turned round: what a replica on this node adds to the
//! cost of the whole placement. Therefore one measure serves to place a replica, to explain it, and to improve the whole.
//!
//! - **Evenness.** Each replica of the service in the same domain costs the next one there 128 points under the first
//!   `spread`, 64 under the second, and so on by halves, or its `weight`. A node without the label counts as if all the
//!   service's replicas were in its domain.
//! - **Prefer.** Each gives its weight. So one replica more or less under the first spread outweighs any single
//!   preference; under the second, a preference above 64 outweighs one replica.
//! - **Reserve.** What is used of a soft reserve costs by the piece.
//! - **Balance.** What is free of one resource costs by the piece where too little of another is free with it.
//! - **Layout.** A node costs its fullness × the share that its replicas take of it × its size beside the largest; what
//!   packed services take counts against that, and what is laid out in any way not at all. For a whole node it comes to
//!   less than one point: it decides between nodes that are otherwise alike.
//! - **Moves.** A replica that does not stay costs its `move_cost`. Only [`Engine::improve`] asks about it.
//!
//! Among equals, the node whose name comes first is taken.
//!
//! # How it is quick
//!
//! Everything is kept in numbers, in a working copy that changes as it is told of changes; a decision is made in it, read
//! off and taken back. Alike replicas share one look at the nodes: a tree of heaps gives the best node for each in turn.
//! For one or two replicas, nodes are kept in the order of fullness for each size that was asked for (a ladder), so that
//! a small change in a large fleet looks at few of them.
//!
//! [`Engine::improve`] hands numbers alone to the search of `icefield-search` and carries out what that finds if every
//! rule admits it, without moves that gain nothing. It may be stopped at any time. With a number of steps and one thread,
//! what it finds depends on nothing but what the engine was fed.

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

pub use demand::{Demand, driver_of};
pub use engine::{Cost, Effort, Engine, Improvement, Progress};
pub use explanation::{Alternative, Exclusion, Explanation, ScorePart};
pub use host::{Acceptance, Host};
pub use objective::{Balance, Distances, Moves, Objective, Weight};
pub use outcome::{Change, ChangeKind, Solution, Unplaced};
pub use placement::{Assignment, Placement};
pub use replica::{InvalidReplica, ReplicaId};
