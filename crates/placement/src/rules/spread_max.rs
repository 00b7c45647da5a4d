use super::{Binds, Case, Further, Hard, Remedy, Twin};
use crate::engine::{DomainId, LabelId, NodeId, ServiceId, State, World};

/// Hard: at most so many replicas of the service, of whatever revision, are in one domain; none on a node that is in no
/// domain.
#[derive(Clone)]
pub(super) struct SpreadMax {
    service: ServiceId,
    label: LabelId,
    slot: usize,
    max: u32,
}

impl SpreadMax {
    pub(super) fn new(service: ServiceId, label: LabelId, slot: usize, max: u32) -> Self {
        Self { service, label, slot, max }
    }

    /// Of two limits for the same label, the lower one implies the other.
    pub(super) fn lower(&mut self, max: u32) {
        self.max = self.max.min(max);
    }

    pub(super) fn is_about(&self, label: LabelId) -> bool {
        self.label == label
    }

    /// What the limit must be for one more replica on `node`, were that in `domain`; `None` if it is not less than that.
    ///
    /// A node that is given another label takes the replicas that it has along.
    pub(super) fn needed(&self, state: &State, node: NodeId, domain: Option<DomainId>) -> Option<u32> {
        let tally = state.tally(self.service);
        let brought = if self.domain(state, node) == domain { 0 } else { tally.on(node) };
        let count = domain.map_or(0, |domain| tally.within(self.slot, domain)).saturating_add(brought);
        (count >= self.max).then(|| count.saturating_add(1))
    }

    fn domain(&self, state: &State, node: NodeId) -> Option<DomainId> {
        state.world.column(self.label).domain(node)
    }
}

impl Hard for SpreadMax {
    fn name(&self, world: &World) -> String {
        format!("spread {} max {}", world.column(self.label).label, self.max)
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        let domain = self.domain(state, node);
        domain.is_some_and(|domain| state.tally(self.service).within(self.slot, domain) < self.max)
    }

    fn label(&self) -> Option<LabelId> {
        Some(self.label)
    }

    fn spans_nodes(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        let column = state.world.column(self.label);
        match column.value(node) {
            Some(_) => format!("at most {} may be in {}", self.max, column.describe(node)),
            None => format!("{} no longer has a {}", state.world.name(node), column.label),
        }
    }

    fn distance(&self, state: &State, node: NodeId) -> u64 {
        match self.domain(state, node) {
            Some(domain) => state.tally(self.service).within(self.slot, domain).into(),
            None => u64::MAX,
        }
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let column = case.state.world.column(self.label);
        let (label, node) = (column.label.as_str(), case.node_name());
        let raise = |to: u32| format!("raise max of spread {label} to {to}");
        let needed = self.needed(case.state, case.node, self.domain(case.state, case.node));
        if column.value(case.node).is_some() {
            let raise = raise(needed.unwrap_or(self.max));
            let group = case.group;
            let required = group.requires(label) || group.requires("node") || !group.demand.ties.is_empty();
            // Company, and how many others there are, may be otherwise there.
            let others = group.hard.iter().any(|rule| rule.binds() == Binds::Settled || rule.may_return());
            let may_differ = case.alone && self.max > 0 && !required && !others;
            return match label {
                "node" => Remedy::new(raise, Further::Equal),
                _ if may_differ => {
                    Remedy::new(format!("{raise}, or add a node like {node} in another {label}"), Further::Excessive)
                }
                _ => Remedy::new(raise, Further::Excessive),
            };
        }
        let text = match needed {
            _ if !case.group.may_label(label) => format!("drop the max of spread {label}"),
            Some(to) => format!("give {node} a {label} of its own and {}", raise(to)),
            None => format!("give {node} a {label} of its own"),
        };
        Remedy::new(text, Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
        let own_domain = state.world.column(self.label).label == "node" && self.max > 0;
        if own_domain || self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::examples::{solution, spread, three};
    use crate::fleet::demand;

    #[test]
    fn limits_of_a_spread() {
        let mut fleet = three();
        let mut zones = demand(3);
        zones.rules.spread = vec![spread("zone", Some(1))];
        let mut nodes = demand(4);
        nodes.rules.spread = vec![spread("node", Some(1))];
        let mut disks = demand(3);
        disks.rules.spread = vec![spread("disk", Some(1))];
        fleet.add_service("disks", [disks]).add_service("nodes", [nodes]).add_service("zones", [zones]);
        let text = solution(&fleet.solve());
        let nowhere = text.split_once("disks/2 nowhere").unwrap().1;
        assert_snapshot!(nowhere, @"
        :
          spread disk max 1 excludes 3 (n1 n2 n3): raise max of spread disk to 2, or add a node like n1 in another disk
        nodes/3 nowhere:
          spread node max 1 excludes 3 (n1 n2 n3): raise max of spread node to 2, or add a node like n1
        zones/2 nowhere:
          spread zone max 1 excludes 3 (n1 n2 n3): raise max of spread zone to 2, or add a node like n1 in another zone
        ");
    }
}
