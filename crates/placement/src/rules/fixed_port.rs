use std::collections::BTreeMap;

use super::{Case, Further, Hard, Remedy, Twin};
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
    fn owner(&self, state: &State, node: NodeId) -> Option<String> {
        state.ports(node).owner(self.port).map(|owner| state.world.replica_id(owner).to_string())
    }
}

impl Hard for FixedPort {
    fn name(&self, _world: &World) -> String {
        format!("port {}", self.port)
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        !self.twice && state.ports(node).owner(self.port).is_none()
    }

    fn yields(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let (port, name) = (self.port, state.world.name(node));
        match self.owner(state, node) {
            Some(owner) => format!("port {port} of {name} is taken by {owner}"),
            None => format!("port {port} is asked for twice"),
        }
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let (port, node) = (self.port, case.node_name());
        let ports = case.state.ports(case.node);
        let owner = self.owner(case.state, case.node);
        if self.twice {
            let free = owner.map(|owner| format!(" and free it on {node} (used by {owner})"));
            let text = format!("ask for port {port} under one name only{}", free.unwrap_or_default());
            return Remedy::new(text, Further::Excessive);
        }
        let owner = owner.unwrap_or_default();
        // With other rules broken, its other fixed ports may have to become dynamic as well.
        let more = if case.alone { 0 } else { self.others.len() };
        let can_be_dynamic = ports.free_besides(&self.others) as usize > case.group.dynamic as usize + more;
        let own = ports.owner(port).is_some_and(|owner| owner.service == case.group.service);
        let free = format!("free port {port} on {node} (used by {owner})");
        match (own, can_be_dynamic) {
            (true, true) => Remedy::new(format!("make port {port} dynamic ({owner} has it on {node})"), Further::Equal),
            (true, false) => Remedy::new(free, Further::Better),
            (false, true) => Remedy::new(format!("{free} or make it dynamic"), Further::Excessive),
            (false, false) => Remedy::new(free, Further::Equal),
        }
    }

    fn twin(&self, _state: &State, _node: NodeId) -> Twin {
        if self.twice { Twin::Refused } else { Twin::Admitted }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Port;
    use insta::assert_snapshot;

    use crate::examples::solved;
    use crate::fleet::{Fleet, demand, host, ports};

    #[test]
    fn ports_that_someone_has() {
        let mut fleet = Fleet::default();
        fleet.add_host(host("n1", &[]));
        let fixed = |replicas, port| {
            let mut fixed = demand(replicas);
            fixed.ports = ports(&[("main", Port::Fixed(port))]);
            fixed
        };
        fleet
            .add_service("db", [fixed(1, 5432)])
            .add_service("dns", [fixed(2, 53)])
            .add_service("pg", [fixed(1, 5432)]);
        assert_snapshot!(solved(&fleet), @"
        db/0 → n1 main=5432: new replica
        dns/0 → n1 main=53: new replica
        dns/1 nowhere:
          port 53 excludes 1 (n1): make port 53 dynamic (dns/0 has it on n1), or add a node like n1
        pg/0 nowhere:
          port 5432 excludes 1 (n1): free port 5432 on n1 (used by db/0) or make it dynamic
        ");
        let mut greedy = fixed(1, 20_009);
        greedy.ports.extend((0..9).map(|at| (crate::fleet::name(&format!("p{at}")), Port::Dynamic)));
        fleet.add_service("greedy", [greedy]);
        assert_snapshot!(solved(&fleet), @"
        db/0 → n1 main=5432: new replica
        dns/0 → n1 main=53: new replica
        greedy/0 → n1 main=20009 p0=20000 p1=20001 p2=20002 p3=20003 p4=20004 p5=20005 p6=20006 p7=20007 p8=20008: new replica
        dns/1 nowhere:
          port 53 excludes 1 (n1): add a node like n1
        pg/0 nowhere:
          port 5432 excludes 1 (n1): free port 5432 on n1 (used by db/0), or add a node like n1
        ");
    }
}
