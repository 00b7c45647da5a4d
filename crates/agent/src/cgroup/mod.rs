//! Memory and CPU limits by control groups, where the agent may make them.
//!
//! Groups are made beneath the agent's own, so that whatever limits the agent also limits its replicas:
//! `OWN/icefield/INSTANCE/REPLICA`, with version 2 where the controllers are delegated there, else with version 1.

mod group;
mod hierarchy;
mod leftovers;
mod setting;

pub(crate) use group::Groups;
pub(crate) use leftovers::Leftovers;
