//! Which replica runs on which node, with which ports, and why.
//!
//! An [`Engine`] is a value that is fed what is wanted and what there is ([`Demand`]s, [`Host`]s, the current
//! [`Placement`]) and asked to [`Engine::solve`]. It reads no clock and no randomness; its answer depends on what it
//! was fed and not on the order of feeding.

mod demand;
mod engine;
mod explanation;
mod host;
mod outcome;
mod placement;
mod replica;
mod rules;

pub use demand::Demand;
pub use engine::Engine;
pub use explanation::{Alternative, Exclusion, Explanation, ScorePart};
pub use host::{Acceptance, Host};
pub use outcome::{Change, ChangeKind, Solution, Unplaced};
pub use placement::{Assignment, Placement};
pub use replica::{InvalidReplica, ReplicaId};
