use icefield_spec::{Condition, Rules};

use super::{Binds, Case, Further, Hard, Remedy, Twin};
use crate::engine::{LabelId, NodeId, ServiceId, Side, State, World};

/// Hard for what comes: no domain gets more than so many replicas of the service above the one with the fewest, of those
/// that have a node the service may be on at all. A node without the label takes none.
#[derive(Debug, Clone)]
pub(super) struct MaxSkew {
    service: ServiceId,
    side: Side,
    label: LabelId,
    slot: usize,
    most: u32,
    rules: Rules,
}

impl MaxSkew {
    pub(super) fn new(service: ServiceId, side: Side, label: LabelId, slot: usize, most: u32, rules: &Rules) -> Self {
        Self { service, side, label, slot, most, rules: rules.clone() }
    }

    /// Of two limits for the same label, the lower one implies the other.
    pub(super) fn lower(&mut self, most: u32) {
        self.most = self.most.min(most);
    }

    pub(super) fn is_about(&self, label: LabelId) -> bool {
        self.label == label
    }

    fn fewest(&self, state: &State) -> u32 {
        state.fewest(self.service, self.slot, self.label, &self.rules)
    }

    /// What the skew would be with one more on `node`.
    fn skew(&self, state: &State, node: NodeId) -> Option<u32> {
        let domain = state.world.column(self.label).domain(node)?;
        let count = state.tally(self.service).within(self.slot, domain).saturating_add(1);
        Some(count.saturating_sub(self.fewest(state)))
    }

    fn raise(&self, state: &State, to: u32) -> String {
        format!("raise max_skew of spread {} to {to}", state.world.column(self.label).label)
    }

    /// What must change once the node is among those that the service may be on, with a value of the label that is
    /// another one if it is `relabelled`.
    fn once_counted(&self, case: &Case<'_>, relabelled: bool) -> Option<String> {
        let (state, label) = (case.state, &case.state.world.column(self.label).label);
        let tally = state.tally(self.service);
        let domain = state.world.column(self.label).domain(case.node);
        let there = match domain {
            _ if relabelled => tally.total_of(self.side),
            Some(domain) => tally.within(self.slot, domain),
            None => tally.on(case.node),
        };
        let skew = there.saturating_add(1);
        let raise = (skew > self.most).then(|| self.raise(state, skew));
        // Where a requirement is met by taking the label away, or is dropped, a node may remain without.
        let unlabelled = |condition: &Condition| {
            let plain = Condition { any_of: condition.any_of.clone(), ..Condition::default() };
            let named = *condition == plain && condition.any_of.as_ref().is_some_and(|values| !values.is_empty());
            !named && (domain.is_none() || condition.admits(None))
        };
        let required = case.group.demand.rules.require.get(label).filter(|_| relabelled);
        let never = domain.is_none() && !case.group.may_label(label);
        if never || required.is_some_and(unlabelled) {
            return Some(format!("drop the max_skew of spread {label}"));
        }
        if domain.is_some() || relabelled {
            return raise;
        }
        let give = format!("give {} a {label} of its own", case.node_name());
        Some(raise.map_or(give.clone(), |raise| format!("{give} and {raise}")))
    }
}

impl Hard for MaxSkew {
    fn name(&self, world: &World) -> String {
        format!("spread {} max_skew {}", world.column(self.label).label, self.most)
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        self.skew(state, node).is_some_and(|skew| skew <= self.most)
    }

    fn strike(&self, state: &State, nodes: &mut Vec<NodeId>) {
        let (column, tally, fewest) = (state.world.column(self.label), state.tally(self.service), self.fewest(state));
        nodes.retain(|node| {
            let domain = column.domain(*node);
            domain.is_some_and(|domain| tally.within(self.slot, domain) < self.most.saturating_add(fewest))
        });
    }

    fn binds(&self) -> Binds {
        Binds::Arriving
    }

    fn may_return(&self) -> bool {
        true
    }

    fn prepare(&self, state: &mut State) {
        state.lay_floor(self.service, self.slot, self.label, &self.rules);
    }

    fn phase(&self, state: &State) -> u64 {
        self.fewest(state).into()
    }

    fn label(&self) -> Option<LabelId> {
        Some(self.label)
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        format!("{} has too many", state.world.column(self.label).describe(node))
    }

    fn distance(&self, state: &State, node: NodeId) -> u64 {
        self.skew(state, node).map_or(u64::MAX, u64::from)
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let text = match self.skew(case.state, case.node) {
            Some(skew) => self.raise(case.state, skew),
            None => self.once_counted(case, false).unwrap_or_default(),
        };
        Remedy::new(text, Further::Excessive)
    }

    /// Once the node counts, so may others by the same remedy, and their domains may have none.
    fn besides(&self, case: &Case<'_>, relabelled: bool) -> Option<Remedy> {
        let text = self.once_counted(case, relabelled)?;
        Some(Remedy::new(text, Further::Excessive))
    }

    fn reconsiders(&self, state: &State, node: NodeId, relabelled: bool) -> bool {
        relabelled || !state.counts(node, &self.rules)
    }

    fn twin(&self, _state: &State, _node: NodeId) -> Twin {
        Twin::Refused
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Condition, Cpu, Spread};
    use insta::assert_snapshot;

    use crate::examples::{counts, prefer, solved, three, with};

    #[test]
    fn no_domain_runs_ahead() {
        let mut fleet = three();
        let mut web = with(|web| {
            web.indexes = (0..6).collect();
            web.rules.spread = vec![Spread { max_skew: Some(2), weight: Some(0), ..Spread::over("zone") }];
            web.rules.prefer = vec![prefer("zone", "a", 50)];
        });
        fleet.add_service("web", [web.clone()]);
        assert_eq!(counts(&fleet), [2, 2, 2]);
        // The domains that count are those that the service may be in.
        web.rules.require.insert("zone".into(), Condition::one_of(["a"]));
        fleet.add_service("web", [web.clone()]);
        assert_eq!(counts(&fleet), [3, 3, 0]);
        web.rules.require.clear();
        fleet.host("n3").cpu = Cpu::from_millis(100);
        fleet.add_service("web", [web]);
        assert_snapshot!(solved(&fleet), @"
        web/0 → n1: new replica
        web/1 → n2: new replica
        web/2 nowhere:
          cpu excludes 1 (n3): lower cpu to 100m (n3 has that free)
          spread zone max_skew 2 excludes 2 (n1 n2): raise max_skew of spread zone to 3
        web/3 nowhere:
          cpu excludes 1 (n3): lower cpu to 100m (n3 has that free)
          spread zone max_skew 2 excludes 2 (n1 n2): raise max_skew of spread zone to 3
        web/4 nowhere:
          cpu excludes 1 (n3): lower cpu to 100m (n3 has that free)
          spread zone max_skew 2 excludes 2 (n1 n2): raise max_skew of spread zone to 3
        web/5 nowhere:
          cpu excludes 1 (n3): lower cpu to 100m (n3 has that free)
          spread zone max_skew 2 excludes 2 (n1 n2): raise max_skew of spread zone to 3
        ");
    }
}
