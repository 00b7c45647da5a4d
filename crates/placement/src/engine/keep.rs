use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::Port;

use super::group::Group;
use super::id::{NodeId, ReplicaNo};
use super::state::State;
use crate::{Acceptance, Assignment, Placement, ReplicaId};

/// Why wanted replicas must leave the node they are on.
pub(crate) type Departures = BTreeMap<ReplicaNo, String>;

/// Leaves every replica where it is that breaks no hard rule there; gives back why the others must go.
///
/// Where not all of a node's or domain's replicas can stay, those stay that need not even be restarted, then those
/// with the lowest indexes.
pub(crate) fn keep(state: &mut State<'_>, current: &Placement) -> Departures {
    let mut departures = Departures::new();
    let (mut unchanged, mut rewired) = (Vec::new(), Vec::new());
    for (id, assignment) in current.iter() {
        let Some(replica) = state.world.replica_called(&id) else { continue };
        match Standing::new(state, replica, &id, assignment) {
            Ok(standing) if standing.ports_hold => unchanged.push(standing),
            Ok(standing) => rewired.push(standing),
            Err(reason) => {
                departures.insert(replica, reason);
            }
        }
    }
    unchanged.sort_by_key(|standing| (standing.revised, standing.index, standing.replica));
    for standing in unchanged {
        if let Some(reason) = standing.departure(state) {
            departures.insert(standing.replica, reason);
        } else if standing.ports_are_free(state) {
            state.put(standing.replica, standing.node, &standing.wishes);
        } else {
            rewired.push(standing);
        }
    }
    // Last, so that a newly chosen port is none that another one keeps.
    rewired.sort_by_key(|standing| (standing.index, standing.replica));
    for standing in rewired {
        match standing.departure(state) {
            Some(reason) => {
                departures.insert(standing.replica, reason);
            }
            None => state.put(standing.replica, standing.node, &standing.wishes),
        }
    }
    departures
}

/// A wanted replica on a node that exists.
struct Standing<'a> {
    replica: ReplicaNo,
    index: u32,
    node: NodeId,
    assignment: &'a Assignment,
    /// Whether it is of another revision than it should be.
    revised: bool,
    /// Whether its ports are as its demand has them.
    ports_hold: bool,
    /// Those of its dynamic ports that it may keep, in the order of their names.
    wishes: Vec<Option<u16>>,
}

impl<'a> Standing<'a> {
    fn new(state: &State<'_>, replica: ReplicaNo, id: &ReplicaId, assignment: &'a Assignment) -> Result<Self, String> {
        let world = state.world;
        let Some(node) = world.node_called(assignment.node.as_str()) else {
            return Err(format!("node {} is gone", assignment.node));
        };
        let group = world.group_of(replica);
        let wishes = wishes(group, state, node, assignment);
        let kept = group.ports.iter().zip(&wishes).zip(group.demand.ports.keys());
        let mut kept = kept.map(|((port, wish), name)| match port {
            Port::Dynamic => wish.is_some(),
            Port::Fixed(port) => assignment.ports.get(name) == Some(port),
        });
        let ports_hold = assignment.ports.len() == group.ports.len() && kept.all(|kept| kept);
        let revised = assignment.revision != group.demand.revision;
        Ok(Self { replica, index: id.index, node, assignment, revised, ports_hold, wishes })
    }

    /// Why it cannot stay, given those that do.
    fn departure(&self, state: &State<'_>) -> Option<String> {
        let group = state.world.group_of(self.replica);
        let reason = group.broken_by_staying(state, self.node)?.departure(state, self.node);
        let leaves = state.world.host(self.node).acceptance > Acceptance::Cordoned;
        let (before, after) = (self.assignment.revision, group.demand.revision);
        let by_revision = self.revised && !leaves;
        Some(if by_revision { format!("revision {} → {}: {reason}", before.short(), after.short()) } else { reason })
    }

    fn ports_are_free(&self, state: &State<'_>) -> bool {
        let ports = state.ports(self.node);
        self.wishes.iter().flatten().all(|port| ports.owner(*port).is_none())
    }
}

/// The dynamic ports of `assignment` that are still such: in the node's range, each once, and none of the fixed ones.
fn wishes(group: &Group<'_>, state: &State<'_>, node: NodeId, assignment: &Assignment) -> Vec<Option<u16>> {
    let range = state.ports(node).range();
    let mut seen = BTreeSet::new();
    let wish = |(name, port): (_, &Port)| {
        let current = *assignment.ports.get(name)?;
        let dynamic = *port == Port::Dynamic && range.contains(current) && !group.fixed.contains(&current);
        (dynamic && seen.insert(current)).then_some(current)
    };
    group.demand.ports.iter().map(wish).collect()
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu, Port, PortRange, Revision};
    use insta::assert_snapshot;

    use crate::examples::{solved, spread, three, with};
    use crate::fleet::{demand, ports};

    #[test]
    fn a_new_revision_stays_where_the_old_one_is_if_it_fits() {
        let mut fleet = three();
        let mut new = demand(2);
        new.revision = Revision::of("two");
        new.cpu = Cpu::from_millis(1500);
        new.ports = ports(&[("http", Port::Dynamic)]);
        fleet.add_service("web", [new]).add_service("db", [with(|db| db.cpu = Cpu::from_millis(3000))]);
        fleet.put("web/0", "n1", "one", &[("http", 20_003)]).put("web/1", "n2", "one", &[("http", 20_004)]);
        fleet.put("db/0", "n2", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        web/0 stays on n1 http=20003: revision 98d5b6c239 → b5db43a5f1
        web/1 n2 → n3 http=20000: revision 98d5b6c239 → b5db43a5f1: cpu of n2 is exceeded
        ");
    }

    #[test]
    fn ports_that_no_longer_hold_are_replaced() {
        let mut fleet = three();
        fleet.host("n1").ports = PortRange::new(20_005, 20_009).unwrap();
        let mut web = demand(3);
        web.ports = ports(&[("http", Port::Dynamic)]);
        fleet.add_service("web", [web]);
        fleet.put("web/0", "n1", "one", &[("http", 20_001)]).put("web/1", "n1", "one", &[("http", 20_005)]);
        fleet.put("web/2", "n1", "one", &[("http", 20_005)]);
        assert_snapshot!(solved(&fleet), @"
        web/0 stays on n1 http=20006: port http 20001 → 20006
        web/2 stays on n1 http=20007: port http 20005 → 20007
        ");
    }

    #[test]
    fn rules_that_no_longer_hold_move_the_highest_indexes() {
        let mut fleet = three();
        fleet.host("n1").memory = Bytes::new(700 << 20);
        fleet.add_service("big", [demand(3)]);
        fleet.put("big/0", "n1", "one", &[]).put("big/1", "n1", "one", &[]).put("big/2", "n1", "one", &[]);
        fleet.add_service(
            "ssd",
            [with(|ssd| drop(ssd.rules.require.insert("disk".into(), icefield_spec::Condition::one_of(["ssd"]))))],
        );
        fleet.put("ssd/0", "n2", "one", &[]);
        let mut even = demand(2);
        even.rules.spread = vec![spread("zone", Some(1))];
        fleet.add_service("even", [even]);
        fleet.put("even/0", "n1", "one", &[]).put("even/1", "n2", "one", &[]);
        let mut single = demand(2);
        single.one_per_node = true;
        fleet.add_service("single", [single]);
        fleet.put("single/0", "n3", "one", &[]).put("single/1", "n3", "one", &[]);
        let mut fixed = demand(2);
        fixed.ports = ports(&[("http", Port::Fixed(80))]);
        fleet.add_service("fixed", [fixed]);
        fleet.put("fixed/0", "n3", "one", &[("http", 80)]).put("fixed/1", "n3", "one", &[("http", 80)]);
        assert_snapshot!(solved(&fleet), @"
        big/1 n1 → n2: memory of n1 is exceeded
        big/2 n1 → n2: memory of n1 is exceeded
        even/1 n2 → n3: at most 1 may be in zone a
        fixed/1 n3 → n2 http=80: port 80 of n3 is taken by fixed/0
        single/1 n3 → n2: n3 has single/0 already
        ssd/0 leaves n2: n2 no longer has disk=ssd, and no other node can take it
        ssd/0 nowhere:
          require disk=ssd excludes 2 (n2 n3): give n3 the label disk=ssd
          memory excludes 1 (n1): lower memory to 188MiB (n1 has that free)
        ");
    }
}
