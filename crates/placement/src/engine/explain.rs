use std::cmp::Reverse;
use std::sync::Arc;

use super::id::{NodeId, ReplicaKey};
use super::obstacles::exclusions;
use super::state::State;
use crate::rules::{Hard, POINT, Soft, Tie};
use crate::{Alternative, Explanation, ScorePart};

/// How many other nodes are shown.
const ALTERNATIVES: usize = 3;

/// Why `replica` is where it is in `state`: what each node would give it if it alone were to be placed now. Leaves
/// `state` as it was.
pub(crate) fn explain(state: &mut State, key: ReplicaKey) -> Option<Explanation> {
    let group = Arc::clone(state.world.group_of(key)?);
    for rule in &group.hard {
        rule.prepare(state);
    }
    let mark = state.mark();
    let spot = state.take_away(key);
    let here = spot.as_ref().map(|spot| spot.node);
    let tie = group.demand.ties.get(&key.index).map(|node| Tie::new(node, &state.world));
    let mut others = group.candidates(state, true);
    others.retain(|node| Some(*node) != here && tie.as_ref().is_none_or(|tie| tie.admits(state, *node)));
    let mut points = vec![0; others.len()];
    for rule in &group.soft {
        rule.add(state, &others, &mut points);
    }
    let mut ranked: Vec<_> = points.into_iter().map(Reverse).zip(others).collect();
    // A stable sort: among equals the first by name stays first.
    ranked.sort_by_key(|(points, _)| *points);
    ranked.truncate(ALTERNATIVES);
    let parts = |node: NodeId| -> Vec<ScorePart> {
        let part = |rule: &dyn Soft| ScorePart {
            rule: rule.name(&state.world),
            points: rule.points(state, node) as f64 / POINT as f64,
            fact: rule.fact(state, node),
        };
        group.soft.iter().map(|rule| part(&**rule)).collect()
    };
    let alternative = |(_, node): (_, NodeId)| Alternative { node: state.world.name(node).clone(), score: parts(node) };
    let explanation = Explanation {
        replica: state.world.replica_id(key),
        assignment: spot.as_ref().and_then(|spot| state.assignment(key, spot)),
        score: here.map(parts).unwrap_or_default(),
        alternatives: ranked.into_iter().map(alternative).collect(),
        excluded: exclusions(state, &group, tie.as_ref(), here),
    };
    state.take_back_to(mark);
    Some(explanation)
}

#[cfg(test)]
mod tests {
    use icefield_spec::Cpu;
    use insta::assert_snapshot;

    use crate::examples::{explanation, prefer, spread, three, with};
    use crate::fleet::demand;

    #[test]
    fn why_here() {
        let mut fleet = three();
        let mut web = demand(3);
        web.rules.spread = vec![spread("zone", None), spread("node", Some(2))];
        web.rules.prefer = vec![prefer("disk", "ssd", 10)];
        fleet.add_service("web", [web]);
        fleet.host("n2").cpu = Cpu::from_millis(100);
        let mut engine = fleet.engine();
        assert_snapshot!(explanation(&engine.explain(&"web/0".parse().unwrap()).unwrap()), @"
        web/0 n1
          -128.00 spread over zone: 1 of 2 other replicas is in zone a
          -64.00 spread over node: 1 of 2 other replicas is on node n1
          +10.00 prefer disk=ssd: n1 has disk=ssd
          -0.01 balanced: 12% of n1 would be in use
        else n3
          -128.00 spread over zone: 1 of 2 other replicas is in zone b
          -64.00 spread over node: 1 of 2 other replicas is on node n3
          +0.00 prefer disk=ssd: n3 has no disk
          -0.01 balanced: 12% of n3 would be in use
          cpu excludes 1 (n2): lower cpu to 100m (n2 has that free)
        ");
        assert_snapshot!(explanation(&engine.explain(&"web/2".parse().unwrap()).unwrap()), @"
        web/2 n1
          -128.00 spread over zone: 1 of 2 other replicas is in zone a
          -64.00 spread over node: 1 of 2 other replicas is on node n1
          +10.00 prefer disk=ssd: n1 has disk=ssd
          -0.01 balanced: 12% of n1 would be in use
        else n3
          -128.00 spread over zone: 1 of 2 other replicas is in zone b
          -64.00 spread over node: 1 of 2 other replicas is on node n3
          +0.00 prefer disk=ssd: n3 has no disk
          -0.01 balanced: 12% of n3 would be in use
          cpu excludes 1 (n2): lower cpu to 100m (n2 has that free)
        ");
    }

    #[test]
    fn why_nowhere() {
        let mut fleet = three();
        fleet.add_service("web", [with(|web| web.cpu = Cpu::from_millis(6000))]);
        let mut engine = fleet.engine();
        assert_snapshot!(explanation(&engine.explain(&"web/0".parse().unwrap()).unwrap()), @"
        web/0 nowhere
          cpu excludes 3 (n1 n2 n3): lower cpu to 4 (n1 has that free)
        ");
        assert!(engine.explain(&"web/1".parse().unwrap()).is_none());
    }
}
