use std::collections::BTreeMap;

use super::{Case, Hard};
use crate::engine::{NodeId, State, World};

/// Hard: a fixed port is free on the node.
pub(super) struct FixedPort {
    port: u16,
    /// Whether the service asks for it under two names, which no node can give.
    twice: bool,
    /// The service's other fixed ports.
    others: Vec<u16>,
}

/// A rule for each port of `fixed`.
pub(super) fn compile(fixed: &[u16]) -> impl Iterator<Item = FixedPort> {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for port in fixed {
        *counts.entry(*port).or_default() += 1;
    }
    counts.into_iter().map(|(port, count)| {
        let others = fixed.iter().copied().filter(|other| *other != port).collect();
        FixedPort { port, twice: count > 1, others }
    })
}

impl FixedPort {
    /// The replica that has the port, by name.
    fn owner(&self, state: &State<'_>, node: NodeId) -> Option<String> {
        state.ports(node).owner(self.port).map(|owner| state.world.replica_id(owner).to_string())
    }
}

impl Hard for FixedPort {
    fn name(&self, _world: &World<'_>) -> String {
        format!("port {}", self.port)
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        !self.twice && state.ports(node).owner(self.port).is_none()
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        let (port, name) = (self.port, state.world.name(node));
        match self.owner(state, node) {
            Some(owner) => format!("port {port} of {name} is taken by {owner}"),
            None => format!("port {port} is asked for twice"),
        }
    }

    fn remedy(&self, case: &Case<'_, '_>) -> String {
        let (port, node) = (self.port, case.node_name());
        if self.twice {
            return format!("ask for port {port} under one name only");
        }
        let ports = case.state.ports(case.node);
        let can_be_dynamic = ports.free_besides(&self.others) > case.group.dynamic;
        let owner = self.owner(case.state, case.node).unwrap_or_default();
        let own = ports.owner(port).is_some_and(|owner| case.state.world.group_of(owner).service == case.group.service);
        match (own, can_be_dynamic, case.twin_helps()) {
            (true, true, true) => {
                format!("make port {port} dynamic ({owner} has it on {node}), or add a node like {node}")
            }
            (true, true, false) => format!("make port {port} dynamic ({owner} has it on {node})"),
            (true, false, true) => format!("add a node like {node}"),
            (_, true, _) => format!("free port {port} on {node} (used by {owner}) or make it dynamic"),
            (_, false, _) => format!("free port {port} on {node} (used by {owner})"),
        }
    }
}
