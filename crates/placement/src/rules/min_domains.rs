use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{LabelId, NodeId, ServiceId, Side, State, World};

/// Hard: the service's replicas are in so many domains at least, once all are placed. A node without the label is in
/// none.
#[derive(Debug, Clone)]
pub(super) struct MinDomains {
    service: ServiceId,
    side: Side,
    label: LabelId,
    slot: usize,
    least: u32,
}

impl MinDomains {
    pub(super) fn new(service: ServiceId, side: Side, label: LabelId, slot: usize, least: u32) -> Self {
        Self { service, side, label, slot, least }
    }

    /// Of two numbers for the same label, the higher one implies the other.
    pub(super) fn raise(&mut self, least: u32) {
        self.least = self.least.max(least);
    }

    pub(super) fn is_about(&self, label: LabelId) -> bool {
        self.label == label
    }

    /// How many domains there will be at most, if one more goes to where there is one already.
    fn within_reach(&self, state: &State) -> usize {
        let tally = state.tally(self.service);
        tally.domains(self.slot) + self.wanted(state).saturating_sub(tally.total_of(self.side) as usize + 1)
    }

    fn wanted(&self, state: &State) -> usize {
        state.world.service(self.service).count(self.side)
    }

    fn is_new(&self, state: &State, node: NodeId) -> bool {
        let domain = state.world.column(self.label).domain(node);
        domain.is_some_and(|domain| state.tally(self.service).within(self.slot, domain) == 0)
    }
}

impl Hard for MinDomains {
    fn name(&self, world: &World) -> String {
        format!("spread {} min_domains {}", world.column(self.label).label, self.least)
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        let least = self.least as usize;
        self.wanted(state) >= least && (self.is_new(state, node) || self.within_reach(state) >= least)
    }

    fn may_return(&self) -> bool {
        true
    }

    fn phase(&self, state: &State) -> u64 {
        (self.within_reach(state) >= self.least as usize).into()
    }

    fn label(&self) -> Option<LabelId> {
        None
    }

    fn counts_the_missing(&self) -> bool {
        true
    }

    fn spans_nodes(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let column = state.world.column(self.label);
        format!("too many are in {}", column.describe(node))
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let label = &case.state.world.column(self.label).label;
        let reach = if self.is_new(case.state, case.node) { usize::MAX } else { self.within_reach(case.state) };
        Remedy::new(
            match reach.min(self.wanted(case.state)) {
                0 => format!("drop the min_domains of spread {label}"),
                reach => format!("lower min_domains of spread {label} to {reach}"),
            },
            Further::Excessive,
        )
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        if self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Spread;
    use insta::assert_snapshot;

    use crate::examples::{counts, prefer, solved, three, with};

    #[test]
    fn a_service_is_in_so_many_domains() {
        let mut fleet = three();
        let mut web = with(|web| {
            web.indexes = (0..4).collect();
            web.rules.spread = vec![Spread { min_domains: Some(2), weight: Some(0), ..Spread::over("zone") }];
            web.rules.prefer = vec![prefer("node", "n1", 50)];
        });
        fleet.add_service("web", [web.clone()]);
        assert_eq!(counts(&fleet), [3, 0, 1]);
        for replica in ["web/0", "web/1", "web/2", "web/3"] {
            fleet.put(replica, "n2", "one", &[]);
        }
        assert_snapshot!(solved(&fleet), @"web/3 n2 → n3: too many are in zone a");
        web.rules.spread[0].min_domains = Some(3);
        web.indexes = vec![0, 1];
        fleet.add_service("web", [web]);
        assert_snapshot!(solved(&fleet), @"
        web/0 leaves n2: too many are in zone a, and no other node can take it
        web/1 leaves n2: too many are in zone a, and no other node can take it
        web/2 leaves n2: scaled down to 2
        web/3 leaves n2: scaled down to 2
        web/0 nowhere:
          spread zone min_domains 3 excludes 3 (n1 n2 n3): lower min_domains of spread zone to 2
        web/1 nowhere:
          spread zone min_domains 3 excludes 3 (n1 n2 n3): lower min_domains of spread zone to 2
        ");
    }
}
