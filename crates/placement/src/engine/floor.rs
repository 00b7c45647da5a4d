use icefield_spec::Rules;

use super::id::{LabelId, NodeId, ServiceId};
use super::state::State;
use crate::Acceptance;

/// Which domain of a label has the fewest replicas of a service.
impl State {
    /// The fewest replicas of `service` that a domain of `label` has, of those that `rules` let it be in at all.
    pub(crate) fn fewest(&self, service: ServiceId, slot: usize, label: LabelId, rules: &Rules) -> u32 {
        self.tally(service).fewest(slot, || self.eligible(label, rules))
    }

    /// Keeps [`Self::fewest`] at hand until the steps are taken back or accepted.
    pub(crate) fn lay_floor(&mut self, service: ServiceId, slot: usize, label: LabelId, rules: &Rules) {
        if !self.floors.contains(&service) {
            self.floors.push(service);
        }
        let eligible = self.eligible(label, rules);
        self.tallies[service.at()].lay_floor(slot, eligible);
    }

    /// The domains of `label` that have a node which `rules` admit and which keeps replicas.
    pub(crate) fn eligible(&self, label: LabelId, rules: &Rules) -> Vec<bool> {
        let column = self.world.column(label);
        let mut eligible = vec![false; column.len()];
        for node in self.world.order() {
            if let Some(domain) = column.domain(*node) {
                eligible[domain.at()] = eligible[domain.at()] || self.counts(*node, rules);
            }
        }
        eligible
    }

    /// Whether `rules` admit `node`, and it keeps replicas.
    pub(crate) fn counts(&self, node: NodeId, rules: &Rules) -> bool {
        let Some(host) = &self.world.node(node).host else { return false };
        let value = |label: &String| host.labels.get(label).map(String::as_str);
        host.acceptance <= Acceptance::Emptying
            && rules.require.iter().all(|(label, condition)| condition.admits(value(label)))
            && host.taints.iter().all(|taint| rules.tolerate.contains(taint))
    }
}
