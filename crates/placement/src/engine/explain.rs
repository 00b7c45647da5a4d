use std::cmp::Reverse;

use super::id::{NodeId, ReplicaNo};
use super::obstacles::exclusions;
use super::state::State;
use crate::rules::POINT;
use crate::{Alternative, Explanation, ScorePart};

/// How many other nodes are shown.
const ALTERNATIVES: usize = 3;

/// Why `replica` is where it is in `state`: what each node would give it if it alone were to be placed now.
pub(crate) fn explain(state: &mut State<'_>, replica: ReplicaNo) -> Explanation {
    let world = state.world;
    let group = world.group_of(replica);
    let spot = state.take_away(replica);
    let here = spot.as_ref().map(|spot| spot.node);
    let total = |node: NodeId| group.soft.iter().fold(0i64, |sum, rule| sum.saturating_add(rule.points(state, node)));
    let others = world.node_ids().filter(|node| Some(*node) != here && group.admitted(state, *node));
    let mut others: Vec<_> = others.map(|node| (Reverse(total(node)), node)).collect();
    others.sort_unstable();
    others.truncate(ALTERNATIVES);
    let parts = |node: NodeId| -> Vec<ScorePart> {
        let part = |rule: &dyn crate::rules::Soft| ScorePart {
            rule: rule.name(world),
            points: rule.points(state, node) as f64 / POINT as f64,
            fact: rule.fact(state, node),
        };
        group.soft.iter().map(|rule| part(&**rule)).collect()
    };
    let alternative = |(_, node): (_, NodeId)| Alternative { node: world.name(node).clone(), score: parts(node) };
    Explanation {
        replica: world.replica_id(replica),
        assignment: spot.as_ref().map(|spot| state.assignment(replica, spot)),
        score: here.map(parts).unwrap_or_default(),
        alternatives: others.into_iter().map(alternative).collect(),
        excluded: exclusions(state, group, here),
    }
}
