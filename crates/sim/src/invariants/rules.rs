//! Hard rules are never broken: every placement of every state keeps within capacities, has the labels that are required,
//! shares no port, and is where its volumes are.
//!
//! The specs of a run differ in nothing that could make a placement wrong that was right before.

use std::collections::{BTreeMap, BTreeSet};

use icefield_control::State;
use icefield_control::state::Rollout;
use icefield_placement::Assignment;
use icefield_spec::Name;

pub(crate) const NAME: &str = "hard rules hold";

/// Whether the placement of `state` keeps to them.
pub(crate) fn check(state: &State) -> Result<(), String> {
    let Some(spec) = &state.spec else { return Ok(()) };
    let mut used: BTreeMap<&Name, (u64, u64)> = BTreeMap::new();
    let mut ports: BTreeSet<(&Name, u16)> = BTreeSet::new();
    let placed: Vec<_> = state.placed.placement().iter().collect();
    for (replica, Assignment { node, revision, ports: taken }) in &placed {
        let fleet = spec.fleet_node(node.as_str());
        let fleet = fleet.ok_or_else(|| format!("{replica} is on {node}, which is not declared"))?;
        let unit = state.services.get(&replica.service).and_then(|service| service.units.get(revision));
        let unit = unit.or_else(|| state.jobs.get(&replica.service)?.units.get(revision));
        let unit = &unit.ok_or_else(|| format!("{replica} has a revision that is not known"))?.unit;
        let (cpu, memory) = used.entry(node).or_default();
        *cpu += unit.cpu.millis();
        *memory += unit.memory.get();
        if *cpu > fleet.machine.cpu.millis() || *memory > fleet.machine.memory.get() {
            return Err(format!("{node} has more on it than it can bear, {replica} among it"));
        }
        if let Some(port) = taken.values().find(|port| !ports.insert((node, **port))) {
            return Err(format!("port {port} of {node} is taken twice, once by {replica}"));
        }
        if state.ties.get(replica).is_some_and(|tie| tie != node) {
            return Err(format!("{replica} is on {node}, and its volumes are not"));
        }
        let Some(service) = spec.services.get(&replica.service) else { continue };
        let labels = fleet.labels();
        let lacks = |label: &&String| !service.rules.require[*label].admits(labels.get(*label).map(String::as_str));
        if let Some(label) = service.rules.require.keys().find(lacks) {
            return Err(format!("{replica} is on {node}, whose label {label} is not as required"));
        }
        // Those that stand beside the service's own for a while are spread by themselves; what is wanted no more goes at once.
        let record = &state.services[&replica.service];
        let beside = |index: u32| {
            let Rollout { surge, green, retired, .. } = &record.rollout;
            [surge, green, retired].iter().any(|set| set.contains(&index))
        };
        let own = |index: u32| record.own.as_ref().map_or(index < service.replicas, |own| own.contains(&index));
        let alike = |other: u32| if beside(replica.index) { beside(other) } else { own(other) };
        for spread in service.rules.spread.iter().filter(|spread| spread.label == "node") {
            let here = placed.iter().filter(|(other, assignment)| {
                other.service == replica.service && assignment.node == *node && alike(other.index)
            });
            if spread.max.is_some_and(|max| here.count() > max as usize) {
                return Err(format!("{} has too many replicas on {node}", replica.service));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use icefield_control::{Applied, Command};
    use icefield_placement::{Change, ChangeKind, ReplicaId};

    use super::*;
    use crate::declare::{Wish, node_name};

    /// A state in which each of `replicas` was put on a node, by whatever means.
    fn placed(replicas: &[(&str, u32, usize)]) -> State {
        let (mut state, spec) = (State::default(), Wish::first().spec(3));
        let mut index = 0;
        let mut apply = |state: &mut State, command| {
            index += 1;
            assert!(matches!(state.apply(index, command), Applied::Done(_)));
        };
        apply(&mut state, Command::Apply { at: 0, spec: Box::new(spec.clone()), expect: None });
        for at in 0..3 {
            let capacity = icefield_api::Capacity {
                cpu: icefield_spec::Cpu::from_millis(4_000),
                memory: icefield_spec::Bytes::new(8 << 30),
                ports: None,
            };
            let (node, address, api) = (node_name(at), String::new(), String::new());
            let drivers = vec!["exec".to_owned()];
            apply(&mut state, Command::Register { at: 0, node, address, api, capacity, drivers, started: 1 });
        }
        for (service, index, node) in replicas {
            let service = Name::new(service).unwrap();
            let revision = spec.services[&service].revision();
            let to = Assignment { node: node_name(*node), revision, ports: BTreeMap::new() };
            let change = Change {
                replica: ReplicaId::new(service, *index),
                kind: ChangeKind::Place { to },
                reason: String::new(),
            };
            let seen = state.version;
            apply(&mut state, Command::Place { at: 0, seen, changes: vec![change] });
        }
        state
    }

    #[test]
    fn sees_each_rule_that_is_broken() {
        assert_eq!(check(&State::default()), Ok(()));
        assert_eq!(check(&placed(&[("web", 0, 0), ("web", 1, 1), ("api", 0, 0)])), Ok(()));
        let broken = |replicas: &[_]| check(&placed(replicas)).unwrap_err();
        assert_eq!(broken(&[("web", 0, 0), ("web", 1, 0)]), "web has too many replicas on n1");
        assert_eq!(broken(&[("api", 0, 1)]), "api/0 is on n2, whose label disk is not as required");
    }
}
