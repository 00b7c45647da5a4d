//! What one node must have, as data: the step from decisions to artefacts.
//!
//! A [`NodePlan`] holds all that an agent or a target needs to make a node what it should be, and nothing else. Its
//! hash, with a number that only rises, is the node's [`Generation`].

mod compile;
mod diff;
mod endpoints;
mod generation;
mod node_plan;

pub use compile::{Fleet, compile, node_plan, units_of};
pub use diff::{PlanDiff, ReplicaChange, diff};
pub use endpoints::{Endpoint, endpoints, endpoints_in};
pub use generation::Generation;
pub use icefield_placement::ReplicaId;
pub use node_plan::{NodePlan, PLAN_SCHEMA, PlannedReplica, PlannedSystem, PlannedUnit};
