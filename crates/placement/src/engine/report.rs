use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_spec::Name;

use super::id::{GroupId, ReplicaNo};
use super::keep::Departures;
use super::obstacles::exclusions;
use super::state::State;
use crate::{Assignment, Change, ChangeKind, Exclusion, Placement, ReplicaId, Solution, Unplaced};

/// The difference between `current` and what `state` came to, with reasons.
pub(crate) fn report(state: &State<'_>, current: &Placement, departures: &Departures) -> Solution {
    let mut report = Report { state, departures, reasons: BTreeMap::new(), solution: Solution::default() };
    let wanted: BTreeMap<&Name, _> = state.world.services.iter().map(|s| (s.name, s.replicas.clone())).collect();
    let names: BTreeSet<&Name> = wanted.keys().copied().chain(current.services()).collect();
    for name in names {
        let replicas = wanted.get(name).cloned();
        let count = replicas.as_ref().map(|range| range.len());
        let mut replicas = replicas.unwrap_or_default().map(ReplicaNo::new).peekable();
        let mut standing = current.service(name.as_str()).peekable();
        let index_of = |replica: &ReplicaNo| state.world.replicas[replica.at()].index;
        loop {
            let next = match (replicas.peek().map(index_of), standing.peek().map(|(index, _)| *index)) {
                (Some(wanted), Some(standing)) => wanted.min(standing),
                (Some(index), None) | (None, Some(index)) => index,
                (None, None) => break,
            };
            let replica = replicas.next_if(|replica| index_of(replica) == next);
            let before = standing.next_if(|(index, _)| *index == next).map(|(_, assignment)| assignment);
            let id = ReplicaId::new(name.clone(), next);
            match replica {
                Some(replica) => report.wanted(id, replica, before),
                None => report.unwanted(id, before, count),
            }
        }
    }
    report.solution
}

struct Report<'a, 'w> {
    state: &'a State<'w>,
    departures: &'a Departures,
    /// Why a group's replicas fit nowhere.
    reasons: BTreeMap<GroupId, Arc<Vec<Exclusion>>>,
    solution: Solution,
}

impl Report<'_, '_> {
    fn change(&mut self, replica: ReplicaId, kind: ChangeKind, reason: String) {
        self.solution.changes.push(Change { replica, kind, reason });
    }

    /// What becomes of a replica that is on `before` and not wanted; `wanted` is how many its service should have.
    fn unwanted(&mut self, id: ReplicaId, before: Option<&Assignment>, wanted: Option<usize>) {
        let Some(before) = before else { return };
        let reason = match wanted {
            None => "service is gone".into(),
            Some(count) if id.index as usize >= count => format!("scaled down to {count}"),
            Some(_) => format!("replica {} is not wanted any more", id.index),
        };
        self.change(id, ChangeKind::Remove { from: before.node.clone() }, reason);
    }

    /// What becomes of a replica that is wanted.
    fn wanted(&mut self, id: ReplicaId, replica: ReplicaNo, before: Option<&Assignment>) {
        let Some(spot) = self.state.spot(replica) else {
            let reasons = self.reasons_of(replica);
            self.solution.unplaced.push(Unplaced { replica: id.clone(), reasons });
            if let Some(before) = before {
                let reason = format!("{}, and no other node can take it", self.departure(replica));
                self.change(id, ChangeKind::Remove { from: before.node.clone() }, reason);
            }
            return;
        };
        let to = self.state.assignment(replica, spot);
        match before {
            None => self.change(id, ChangeKind::Place { to }, "new replica".into()),
            Some(before) if before.node != to.node => {
                let reason = self.departure(replica).to_owned();
                self.change(id, ChangeKind::Move { from: before.node.clone(), to }, reason);
            }
            Some(before) if *before != to => {
                let reason = replacement(before, &to);
                self.change(id, ChangeKind::Replace { to }, reason);
            }
            Some(_) => {}
        }
    }

    fn departure(&self, replica: ReplicaNo) -> &str {
        self.departures.get(&replica).map_or("it cannot stay", String::as_str)
    }

    fn reasons_of(&mut self, replica: ReplicaNo) -> Arc<Vec<Exclusion>> {
        let group = self.state.world.replicas[replica.at()].group;
        let reasons = self.reasons.entry(group);
        reasons.or_insert_with(|| Arc::new(exclusions(self.state, self.state.world.group(group), None))).clone()
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
