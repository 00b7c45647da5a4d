use std::collections::{BTreeMap, BTreeSet};

use icefield_api::{ClosurePeer, ReplicaReport};
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Revision, StorePath, Unit};

use crate::State;
use crate::observe::{Observations, Sight};

/// How many nodes get a closure from the same one.
const CHILDREN: usize = 4;
/// Of how many others that have it one is told, of its own zone and of all.
const OTHERS: usize = 4;
/// How many nodes one is told of at most.
const MOST: usize = 12;
/// The label that says which nodes are near each other; those without it are a zone of their own.
const ZONE: &str = "zone";

/// The nodes that have a closure or are to have it, in an order in which each gets it from those before it.
///
/// In each zone they stand as in a heap: first those that have it, then the others as a hash has them; each gets it from the
/// one above it, which sends it on while it is getting it itself. The first ones of the zones stand so too. So a node sends a
/// closure a few times at most, it crosses from zone to zone a few times at most, and elsewhere it is got from by one node.
#[derive(Debug, Default)]
pub(crate) struct Lineup {
    zones: BTreeMap<String, Vec<Standing>>,
    /// The first of each zone.
    roots: Vec<Standing>,
    place: BTreeMap<Name, (String, usize)>,
    /// The closure.
    path: Option<StorePath>,
}

/// A node in a line; they sort as they stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    lacks: bool,
    order: Revision,
    node: Name,
    url: Option<String>,
}

impl Lineup {
    /// For the closure whose path in the store begins with `hash`.
    pub(crate) fn new(state: &State, seen: &Observations, hash: &str) -> Self {
        let (nodes, path) = wanting(state, hash);
        let mut lineup = Self { path, ..Self::default() };
        for node in nodes {
            if state.nodes.get(&node).is_none_or(|record| record.lost || record.removed) {
                continue;
            }
            let sight = seen.sight(node.as_str());
            let labels = state.spec.as_deref().and_then(|spec| Some(spec.fleet_node(node.as_str())?.labels()));
            let zone = labels.and_then(|labels| labels.get(ZONE).cloned()).unwrap_or_default();
            let standing = Standing {
                lacks: !sight.is_some_and(|sight| has(state, sight, hash)),
                order: Revision::of(&(hash, &node)),
                url: sight.and_then(|sight| sight.cache.clone()),
                node,
            };
            lineup.zones.entry(zone).or_default().push(standing);
        }
        for (zone, line) in &mut lineup.zones {
            line.sort_unstable();
            lineup.roots.extend(line.first().cloned());
            for (place, standing) in line.iter().enumerate() {
                lineup.place.insert(standing.node.clone(), (zone.clone(), place));
            }
        }
        lineup.roots.sort_unstable();
        lineup
    }

    /// The path of the closure, if `node` is to have it.
    pub(crate) fn path_for(&self, node: &Name) -> Option<&StorePath> {
        self.path.as_ref().filter(|_| self.place.contains_key(node))
    }

    /// Whom `node` is to ask, the nearest first.
    pub(crate) fn above(&self, node: &Name) -> Vec<ClosurePeer> {
        let Some((zone, place)) = self.place.get(node) else { return Vec::new() };
        let line = &self.zones[zone];
        // Who asks though it had it has lost it: it comes after those that have it.
        let lost = |line: &[Standing], place: usize| {
            if line[place].lacks { place } else { having(line).count() }
        };
        let root = self.roots.iter().position(|root| root.node == line[0].node).unwrap_or_default();
        let root = if *place == 0 { lost(&self.roots, root) } else { root };
        let above = ancestors(line, lost(line, *place)).chain(ancestors(&self.roots, root));
        // If those fail, others that have it for sure: to each node others.
        let near: Vec<_> = having(line).collect();
        let far: Vec<_> = self.zones.values().flat_map(|line| having(line)).collect();
        let some = |all: Vec<_>| {
            let count = all.len().min(OTHERS);
            all.into_iter().cycle().skip(*place).take(count)
        };
        let others = some(near).chain(some(far));
        let peer = |standing: &Standing| Some(ClosurePeer { node: standing.node.clone(), url: standing.url.clone()? });
        let mut told = BTreeSet::from([node]);
        above.chain(others).filter(|one| told.insert(&one.node)).filter_map(peer).take(MOST).collect()
    }
}

/// Those of a line that have it.
fn having(line: &[Standing]) -> impl Iterator<Item = &Standing> {
    line.iter().take_while(|one| !one.lacks)
}

/// Those above one in a heap.
fn ancestors(line: &[Standing], place: usize) -> impl Iterator<Item = &Standing> {
    let up = |at: &usize| at.checked_sub(1).map(|below| below / CHILDREN);
    std::iter::successors(up(&place), up).filter_map(|at| line.get(at))
}

/// The nodes whose plans have the closure in them, and its path.
fn wanting(state: &State, hash: &str) -> (BTreeSet<Name>, Option<StorePath>) {
    let (mut nodes, mut path) = (BTreeSet::new(), None);
    let placement = state.placed.placement();
    for service in placement.services() {
        let mut known: BTreeMap<Revision, bool> = BTreeMap::new();
        for (_, assignment) in placement.service(service.as_str()) {
            let of_it = *known.entry(assignment.revision).or_insert_with(|| {
                let unit = state.unit(service, assignment.revision);
                let found = unit.and_then(|planned| closure(&planned.unit, hash));
                path = path.take().or_else(|| found.cloned());
                found.is_some()
            });
            if of_it {
                nodes.insert(assignment.node.clone());
            }
        }
    }
    for node in state.nodes.keys() {
        if let Some(system) = state.planned_system(node).filter(|system| begins(&system.path, hash)) {
            nodes.insert(node.clone());
            path = Some(system.path);
        }
    }
    (nodes, path)
}

/// Whether a node has it for sure: it runs something of it.
fn has(state: &State, sight: &Sight, hash: &str) -> bool {
    let system = sight.system.as_ref().and_then(|system| system.running.as_ref());
    let runs = |(id, report): (&ReplicaId, &ReplicaReport)| {
        let unit = || state.unit(&id.service, report.revision);
        report.state.is_running() && unit().is_some_and(|planned| closure(&planned.unit, hash).is_some())
    };
    system.is_some_and(|path| begins(path, hash)) || sight.replicas.iter().any(runs)
}

/// What of a unit's closures begins so.
fn closure<'u>(unit: &'u Unit, hash: &str) -> Option<&'u StorePath> {
    unit.run.closures()?.values().find(|path| begins(path, hash))
}

fn begins(path: &StorePath, hash: &str) -> bool {
    path.base_name().split('-').next() == Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(lacks: bool, number: usize) -> Standing {
        let node = Name::new(&format!("n{number}")).unwrap();
        Standing { lacks, order: Revision::of(&node), url: Some(format!("https://{node}")), node }
    }

    /// Zones of so many nodes, of which the first ones have it.
    fn lineup(zones: &[(&str, usize, usize)]) -> Lineup {
        let (mut lineup, mut number) = (Lineup::default(), 0);
        for (zone, nodes, having) in zones {
            let mut line: Vec<_> = (0..*nodes).map(|at| standing(at >= *having, number + at)).collect();
            number += nodes;
            line.sort();
            for (place, standing) in line.iter().enumerate() {
                lineup.place.insert(standing.node.clone(), ((*zone).to_owned(), place));
            }
            lineup.roots.push(line[0].clone());
            lineup.zones.insert((*zone).to_owned(), line);
        }
        lineup.roots.sort();
        lineup
    }

    fn names(peers: &[ClosurePeer]) -> Vec<&str> {
        peers.iter().map(|peer| peer.node.as_str()).collect()
    }

    #[test]
    fn a_fleet_that_has_nothing_gets_it_from_elsewhere_once() {
        let lineup = lineup(&[("a", 400, 0), ("b", 400, 0), ("c", 200, 0)]);
        let mut children: BTreeMap<Name, usize> = BTreeMap::new();
        let (mut roots, mut across) = (0, 0);
        for (node, (zone, _)) in &lineup.place {
            let above = lineup.above(node);
            assert!(above.len() <= MOST && above.iter().all(|peer| peer.node != *node));
            match above.first() {
                None => roots += 1,
                Some(peer) => {
                    *children.entry(peer.node.clone()).or_default() += 1;
                    across += usize::from(lineup.place[&peer.node].0 != *zone);
                    let rest = lineup.above(&peer.node);
                    assert_eq!(names(&above[1..]), names(&rest)[..above.len() - 1], "what is above it, it sees too");
                }
            }
        }
        assert_eq!((roots, across), (1, 2));
        assert!(children.values().all(|children| *children <= CHILDREN + 2), "{children:?}");
    }

    #[test]
    fn those_that_have_it_are_asked_first_and_those_of_the_own_zone_before_others() {
        let lineup = lineup(&[("a", 9, 2), ("b", 3, 0)]);
        for (node, (zone, _)) in &lineup.place {
            let above = lineup.above(node);
            let having = above.iter().filter(|peer| ["n0", "n1"].contains(&peer.node.as_str())).count();
            let itself = usize::from(["n0", "n1"].contains(&node.as_str()));
            assert_eq!(having, 2 - itself, "if one of them fails there is the other: {node}: {above:?}");
            if zone == "b" && lineup.place[node].1 > 0 {
                assert_eq!(lineup.place[&above[0].node].0, "b");
            }
        }
        // One that has lost what it had gets it from the other.
        for (node, other) in [("n0", "n1"), ("n1", "n0")] {
            assert_eq!(names(&lineup.above(&Name::new(node).unwrap())), [other]);
        }
        assert!(lineup.above(&Name::new("stranger").unwrap()).is_empty());
    }
}
