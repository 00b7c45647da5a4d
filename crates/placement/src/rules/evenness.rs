use super::{POINT, Soft};
use crate::engine::{LabelId, NodeId, ServiceId, State, World};

/// What each replica in the same domain costs a node under the first spread; half of it under each further one.
///
/// More than the most that one `prefer` can give: so a service is even over the first label first, and preferences
/// decide within that.
const STEP: i64 = 128;

/// Soft: nodes are the better, the fewer replicas of the service their domain has.
///
/// A node without the label could be in any domain, so it is taken to share one with every replica.
pub(super) struct Evenness {
    service: ServiceId,
    label: LabelId,
    slot: usize,
    step: i64,
    shared: bool,
}

impl Evenness {
    /// The spread at `position` of the service's list.
    pub(super) fn new(service: ServiceId, label: LabelId, slot: usize, position: usize, shared: bool) -> Self {
        Self { service, label, slot, step: (STEP >> position.min(7)) * POINT, shared }
    }
}

impl Soft for Evenness {
    fn name(&self, world: &World<'_>) -> String {
        format!("spread over {}", world.column(self.label).label)
    }

    fn points(&self, state: &State<'_>, node: NodeId) -> i64 {
        let tally = state.tally(self.service);
        let neighbours = match state.world.column(self.label).domain(node) {
            Some(domain) => i64::from(tally.within(self.slot, domain)),
            None => i64::from(tally.total) + 1,
        };
        self.step.saturating_mul(-neighbours)
    }

    fn fact(&self, state: &State<'_>, node: NodeId) -> String {
        let (column, tally) = (state.world.column(self.label), state.tally(self.service));
        let Some(domain) = column.domain(node) else {
            return format!("{} has no {}", state.world.name(node), column.label);
        };
        let place = column.describe(node);
        let preposition = if column.label == "node" { "on" } else { "in" };
        match (tally.within(self.slot, domain), tally.total) {
            (_, 0) => "there is no other replica".into(),
            (0, total) => format!("none of {total} other replicas is {preposition} {place}"),
            (1, total) => format!("1 of {total} other replicas is {preposition} {place}"),
            (count, total) => format!("{count} of {total} other replicas are {preposition} {place}"),
        }
    }

    fn shared(&self) -> Option<LabelId> {
        self.shared.then_some(self.label)
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
