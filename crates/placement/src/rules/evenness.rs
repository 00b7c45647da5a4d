use icefield_spec::Spread;

use super::{ByDomain, POINT, Soft};
use crate::engine::{LabelId, NodeId, ServiceId, Side, State, World};

/// What each replica in the same domain costs a node under the first spread; half of it under each further one.
///
/// More than the most that one `prefer` can give: so a service is even over the first label first, and preferences
/// decide within that.
const STEP: i64 = 128;

/// What each replica in the same domain costs a node under the spread at `position` of a service's list.
pub(crate) fn step_of(spread: &Spread, position: usize) -> i64 {
    let points = spread.weight.map_or(STEP >> position.min(7), |weight| i64::from(weight.min(Spread::MAX_WEIGHT)));
    points * POINT
}

/// Soft: nodes are the better, the fewer replicas of the service their domain has.
///
/// A node without the label could be in any domain, so it is taken to share one with every replica that there should be.
pub(super) struct Evenness {
    service: ServiceId,
    side: Side,
    label: LabelId,
    slot: usize,
    step: i64,
}

impl Evenness {
    pub(super) fn new(service: ServiceId, side: Side, label: LabelId, slot: usize, step: i64) -> Self {
        Self { service, side, label, slot, step }
    }

    /// What it costs to share a domain with `neighbours`.
    fn cost(&self, neighbours: usize) -> i64 {
        self.step.saturating_mul(-i64::try_from(neighbours).unwrap_or(i64::MAX))
    }
}

impl Soft for Evenness {
    fn name(&self, world: &World) -> String {
        format!("spread over {}", world.column(self.label).label)
    }

    fn points(&self, state: &State, node: NodeId) -> i64 {
        self.cost(match state.world.column(self.label).domain(node) {
            Some(domain) => state.tally(self.service).within(self.slot, domain) as usize,
            None => state.world.service(self.service).replicas.len(),
        })
    }

    fn add(&self, state: &State, nodes: &[NodeId], points: &mut [i64]) {
        let column = state.world.column(self.label);
        let mut costs = vec![0; column.len()];
        for (domain, count) in state.tally(self.service).counts(self.slot) {
            costs[domain.at()] = self.cost(count as usize);
        }
        let outside = self.cost(state.world.service(self.service).replicas.len());
        for (node, points) in nodes.iter().zip(points) {
            let cost = column.domain(*node).map_or(outside, |domain| costs[domain.at()]);
            *points = points.saturating_add(cost);
        }
    }

    fn by_domain(&self, state: &State) -> Option<ByDomain> {
        let column = state.world.column(self.label);
        if column.is_unique() {
            return None;
        }
        let mut inside = vec![0; column.len()];
        for (domain, count) in state.tally(self.service).counts(self.slot) {
            inside[domain.at()] = self.cost(count as usize);
        }
        let outside = self.cost(state.world.service(self.service).replicas.len());
        Some(ByDomain { label: self.label, inside, outside })
    }

    fn most(&self, state: &State) -> Option<i64> {
        let tally = state.tally(self.service);
        let empty = tally.domains(self.slot) < state.world.column(self.label).len();
        let fewest = if empty { None } else { tally.counts(self.slot).map(|(_, count)| count).min() };
        Some(self.cost(fewest.unwrap_or(0) as usize))
    }

    fn fact(&self, state: &State, node: NodeId) -> String {
        let (column, tally) = (state.world.column(self.label), state.tally(self.service));
        let Some(domain) = column.domain(node) else {
            return format!("{} has no {}", state.world.name(node), column.label);
        };
        let place = column.describe(node);
        let preposition = if column.label == "node" { "on" } else { "in" };
        match (tally.within(self.slot, domain), tally.total_of(self.side)) {
            (_, 0) => "there is no other replica".into(),
            (0, total) => format!("none of {total} other replicas is {preposition} {place}"),
            (1, total) => format!("1 of {total} other replicas is {preposition} {place}"),
            (count, total) => format!("{count} of {total} other replicas are {preposition} {place}"),
        }
    }

    fn shared(&self, world: &World) -> Option<LabelId> {
        (!world.column(self.label).is_unique()).then_some(self.label)
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::{counts, prefer, spread, three};
    use crate::fleet::demand;

    #[test]
    fn domains_fill_evenly_and_nodes_without_the_label_last() {
        let mut fleet = three();
        let mut web = demand(4);
        web.rules.spread = vec![spread("zone", None), spread("node", None)];
        fleet.add_service("web", [web.clone()]);
        assert_eq!(counts(&fleet), [1, 1, 2]);
        web.rules.spread = vec![spread("disk", None)];
        fleet.add_service("web", [web]);
        assert_eq!(counts(&fleet), [2, 2, 0]);
    }

    #[test]
    fn the_first_spread_outweighs_any_one_preference_and_the_second_may_not() {
        let mut fleet = three();
        let mut web = demand(2);
        web.rules.spread = vec![spread("zone", None), spread("node", None)];
        web.rules.prefer = vec![prefer("zone", "a", 100)];
        fleet.add_service("web", [web.clone()]);
        assert_eq!(counts(&fleet), [1, 0, 1]);
        web.rules.prefer = vec![prefer("node", "n1", 100)];
        (web.rules.spread[0].label, web.rules.spread[1].max) = ("pool".into(), None);
        fleet.add_service("web", [web]);
        assert_eq!(counts(&fleet), [2, 0, 0]);
    }
}
