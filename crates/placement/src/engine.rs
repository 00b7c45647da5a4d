use icefield_spec::Name;

use crate::{Demand, Explanation, Host, Placement, ReplicaId, Solution};

/// Decides where replicas run.
#[derive(Debug, Clone, Default)]
pub struct Engine {}

impl Engine {
    /// An engine that knows of no node and no service.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node, or replaces what is known of it.
    pub fn set_host(&mut self, _host: Host) {}

    /// Forgets a node: what is on it is nowhere.
    pub fn remove_host(&mut self, _name: &Name) {}

    /// Sets all that is wanted of a service; an empty `demands` is a service that is gone.
    pub fn set_service(&mut self, _service: Name, _demands: Vec<Demand>) {}

    /// Sets where everything is now.
    pub fn set_placement(&mut self, _placement: &Placement) {}

    /// What must change for every demand to be met as well as it can be.
    pub fn solve(&self) -> Solution {
        Solution::default()
    }

    /// Why `replica` is where it is now, or would be after the solution; `None` if it is not wanted.
    pub fn explain(&self, _replica: &ReplicaId) -> Option<Explanation> {
        None
    }
}
