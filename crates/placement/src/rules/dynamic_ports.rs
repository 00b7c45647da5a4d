use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{NodeId, State, World};

/// Hard: the node's range has enough free ports, besides those that the replica takes of it as fixed ones.
pub(super) struct DynamicPorts {
    count: u32,
    fixed: Vec<u16>,
}

impl DynamicPorts {
    pub(super) fn new(count: u32, fixed: &[u16]) -> Self {
        let mut fixed = fixed.to_vec();
        fixed.sort_unstable();
        fixed.dedup();
        Self { count, fixed }
    }

    fn missing(&self, state: &State, node: NodeId) -> u32 {
        self.count.saturating_sub(state.ports(node).free_besides(&self.fixed))
    }
}

impl Hard for DynamicPorts {
    fn name(&self, _world: &World) -> String {
        "dynamic ports".into()
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        self.missing(state, node) == 0
    }

    fn yields(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        format!("{} has too few dynamic ports", state.world.name(node))
    }

    fn distance(&self, state: &State, node: NodeId) -> u64 {
        self.missing(state, node).into()
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let missing = self.missing(case.state, case.node);
        let ports = if missing == 1 { "port" } else { "ports" };
        Remedy::new(format!("give {} {missing} more dynamic {ports}", case.node_name()), Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        let range = state.ports(node).range();
        let fixed = self.fixed.iter().filter(|port| range.contains(**port)).count();
        if u64::from(range.count()) >= u64::from(self.count) + fixed as u64 { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Port;
    use insta::assert_snapshot;

    use crate::examples::solved;
    use crate::fleet::{Fleet, demand, host, ports};

    #[test]
    fn a_fixed_port_of_the_range_is_no_dynamic_one() {
        let mut fleet = Fleet::default();
        fleet.add_host(host("n1", &[]));
        let mut fixed = demand(1);
        fixed.ports = ports(&[("main", Port::Fixed(20_001))]);
        let mut web = demand(4);
        web.ports = ports(&[("a", Port::Dynamic), ("b", Port::Dynamic), ("c", Port::Dynamic)]);
        fleet.add_service("fixed", [fixed]).add_service("web", [web]);
        assert_snapshot!(solved(&fleet), @"
        fixed/0 → n1 main=20001: new replica
        web/0 → n1 a=20000 b=20002 c=20003: new replica
        web/1 → n1 a=20004 b=20005 c=20006: new replica
        web/2 → n1 a=20007 b=20008 c=20009: new replica
        web/3 nowhere:
          dynamic ports excludes 1 (n1): give n1 3 more dynamic ports
        ");
    }
}
