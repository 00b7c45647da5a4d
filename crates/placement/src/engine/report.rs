use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_spec::Name;

use super::fit::REASON;
use super::id::{ReplicaKey, ServiceId};
use super::obstacles::exclusions;
use super::place::GIVES_WAY;
use super::settle::Departures;
use super::state::State;
use crate::rules::Tie;
use crate::{Acceptance, Assignment, Change, ChangeKind, Exclusion, Placement, ReplicaId, Solution, Unplaced};

/// The difference between `current` and what `state` came to, with reasons. `unwanted` are the replicas of `current`
/// that nobody wants.
pub(crate) fn report(
    state: &State,
    current: &Placement,
    unwanted: &BTreeSet<ReplicaId>,
    departures: &Departures,
) -> Solution {
    let mut report = Report { state, departures, reasons: BTreeMap::new(), solution: Solution::default() };
    for id in unwanted {
        report.unwanted(id, current);
    }
    let mut touched = state.touched();
    touched.extend(&state.agenda.stale);
    touched.extend(&state.agenda.homeless);
    for key in touched {
        let service = state.world.service(key.service);
        if service.replica(key.index).is_some() {
            report.wanted(key, current.at(&service.name, key.index));
        }
    }
    let Solution { changes, unplaced } = &mut report.solution;
    changes.sort_unstable_by(|a, b| a.replica.cmp(&b.replica));
    unplaced.sort_unstable_by(|a, b| a.replica.cmp(&b.replica));
    report.solution
}

struct Report<'a> {
    state: &'a State,
    departures: &'a Departures,
    /// Why a group's replicas fit nowhere.
    reasons: BTreeMap<(ServiceId, u32), Arc<Vec<Exclusion>>>,
    solution: Solution,
}

impl Report<'_> {
    fn change(&mut self, replica: ReplicaId, kind: ChangeKind, reason: String) {
        self.solution.changes.push(Change { replica, kind, reason });
    }

    /// What becomes of a replica that is not wanted.
    fn unwanted(&mut self, id: &ReplicaId, current: &Placement) {
        let Some(before) = current.get(id) else { return };
        let service = self.state.world.service_called(&id.service).map(|service| self.state.world.service(service));
        let reason = match service.filter(|service| service.is_wanted()) {
            None => "service is gone".into(),
            Some(service) if service.is_tied() && self.has_left(before).is_some() => {
                self.has_left(before).unwrap_or_default()
            }
            Some(service) if id.index as usize >= service.replicas.len() => {
                format!("scaled down to {}", service.replicas.len())
            }
            Some(_) => format!("replica {} is not wanted any more", id.index),
        };
        self.change(id.clone(), ChangeKind::Remove { from: before.node.clone() }, reason);
    }

    /// Why nothing is left on the node of `before`, if so.
    fn has_left(&self, before: &Assignment) -> Option<String> {
        let world = &self.state.world;
        let name = &before.node;
        let node = world.node_called(name);
        let Some(node) = node.filter(|node| world.node(*node).host.is_some()) else {
            return Some(format!("node {name} is gone"));
        };
        match world.acceptance(node) {
            Acceptance::Lost => Some(format!("node {name} is lost")),
            Acceptance::Draining => Some(format!("{name} is draining")),
            Acceptance::Ready | Acceptance::Suspect | Acceptance::Cordoned | Acceptance::Emptying => None,
        }
    }

    /// What becomes of a replica that is wanted.
    fn wanted(&mut self, key: ReplicaKey, before: Option<&Assignment>) {
        let id = self.state.world.replica_id(key);
        let Some(spot) = self.state.spot(key) else {
            let reasons = self.reasons_of(key);
            self.solution.unplaced.push(Unplaced { replica: id.clone(), reasons });
            if let Some(before) = before {
                let reason = format!("{}, and no other node can take it", self.departure(key, before));
                self.change(id, ChangeKind::Remove { from: before.node.clone() }, reason);
            }
            return;
        };
        let Some(to) = self.state.assignment(key, spot) else { return };
        match before {
            None => self.change(id, ChangeKind::Place { to }, "new replica".into()),
            Some(before) if before.node != to.node => {
                let reason = self.departure(key, before);
                self.change(id, ChangeKind::Move { from: before.node.clone(), to }, reason);
            }
            Some(before) if *before != to => {
                let reason = replacement(before, &to);
                self.change(id, ChangeKind::Replace { to }, reason);
            }
            Some(_) => {}
        }
    }

    fn departure(&self, key: ReplicaKey, before: &Assignment) -> String {
        let world = &self.state.world;
        // What was on a node that is gone may have had to leave another one since.
        let there = world.node_called(&before.node).is_some_and(|node| world.node(node).host.is_some());
        let noted = self.departures.get(&key).filter(|_| there);
        let noted = noted.map(|reason| if self.holds(reason, before) { reason.clone() } else { REASON.to_owned() });
        let noted = noted.or_else(|| self.has_left(before));
        noted.unwrap_or_else(|| format!("{} cannot hold it", before.node))
    }

    /// Whether `reason` is still why something left the node of `before`: what it gave way to may have been moved on since,
    /// to make room for others.
    fn holds(&self, reason: &str, before: &Assignment) -> bool {
        let world = &self.state.world;
        let Some(winner) = reason.strip_prefix(GIVES_WAY) else { return true };
        let winner = Name::new(winner).ok().and_then(|name| world.service_called(&name));
        let node = world.node_called(&before.node);
        winner.is_some_and(|winner| {
            let mut replicas = world.service(winner).replicas.iter();
            replicas.any(|one| one.spot.as_ref().map(|spot| spot.node) == node && one.home != node)
        })
    }

    fn reasons_of(&mut self, key: ReplicaKey) -> Arc<Vec<Exclusion>> {
        let service = self.state.world.service(key.service);
        let Some(replica) = service.replica(key.index) else { return Arc::default() };
        let group = &service.groups[replica.group as usize];
        if let Some(node) = group.demand.ties.get(&key.index) {
            let tie = Tie::new(node, &self.state.world);
            return Arc::new(exclusions(self.state, group, Some(&tie), None));
        }
        let reasons = self.reasons.entry((key.service, replica.group));
        reasons.or_insert_with(|| Arc::new(exclusions(self.state, group, None, None))).clone()
    }
}

/// Why a replica that stays on its node must still change.
fn replacement(before: &Assignment, after: &Assignment) -> String {
    if before.revision != after.revision {
        return format!("revision {} → {}", before.revision.short(), after.revision.short());
    }
    let changed = after.ports.iter().find_map(|(name, port)| match before.ports.get(name) {
        Some(old) if old == port => None,
        Some(old) => Some(format!("port {name} {old} → {port}")),
        None => Some(format!("port {name} is new")),
    });
    changed.unwrap_or_else(|| "it has a port that is not wanted any more".into())
}

#[cfg(test)]
mod tests {
    use icefield_spec::Port;
    use insta::assert_snapshot;

    use crate::examples::{solved, spread, three, with};
    use crate::fleet::{demand, ports};

    #[test]
    fn new_replicas_go_evenly_over_zones_and_get_the_lowest_ports() {
        let mut fleet = three();
        let mut web = demand(4);
        web.ports = ports(&[("admin", Port::Fixed(20_000)), ("http", Port::Dynamic), ("rpc", Port::Dynamic)]);
        web.rules.spread = vec![spread("zone", None), spread("node", None)];
        fleet.add_service("web", [web]);
        assert_snapshot!(solved(&fleet), @"
        web/0 → n1 admin=20000 http=20001 rpc=20002: new replica
        web/1 → n3 admin=20000 http=20001 rpc=20002: new replica
        web/2 → n2 admin=20000 http=20001 rpc=20002: new replica
        web/3 nowhere:
          port 20000 excludes 3 (n1 n2 n3): make port 20000 dynamic (web/0 has it on n1), or add a node like n1
        ");
    }

    #[test]
    fn what_is_not_wanted_any_more() {
        let mut fleet = three();
        fleet.add_service("web", [with(|web| web.indexes = vec![1])]);
        fleet.put("web/0", "n1", "one", &[]).put("web/1", "n2", "one", &[]).put("web/2", "n3", "one", &[]);
        fleet.put("old/0", "n1", "one", &[]);
        assert_snapshot!(solved(&fleet), @"
        old/0 leaves n1: service is gone
        web/0 leaves n1: replica 0 is not wanted any more
        web/2 leaves n3: scaled down to 1
        ");
    }
}
