use crate::model::{Model, NOWHERE};
use crate::random::Random;

/// Up to so many pairs of a kind and a node are looked at: a few hundredths of a second.
const MOST: usize = 1 << 22;

/// Which nodes could hold a replica of each kind that did not start there, whatever else moves away: what started
/// on a node keeps the transient resources there.
#[derive(Debug)]
pub(super) struct Reach {
    /// The nodes of all kinds, kind by kind; none if there are too many pairs: then any node is taken for one in reach.
    nodes: Vec<u32>,
    /// Where the nodes of each kind begin, and where the last end.
    bounds: Vec<usize>,
    /// By kind and node.
    holds: Vec<bool>,
    /// How many nodes there are.
    all: usize,
}

impl Reach {
    /// At most `worth` pairs of a kind and a node are looked at.
    pub(super) fn new(model: &Model<'_>, worth: usize) -> Self {
        let all = model.nodes;
        let mut reach = Self { nodes: Vec::new(), bounds: Vec::new(), holds: Vec::new(), all };
        let kinds = model.problem.kinds.len();
        if kinds * all > MOST.min(worth) {
            return reach;
        }
        let room = room(model);
        reach.bounds.push(0);
        for kind in 0..kinds {
            let need = model.need(kind);
            for node in 0..all as u32 {
                let room = &room[node as usize * model.resources..][..model.resources];
                let holds = room.iter().zip(need).all(|(room, need)| room >= need || *need == 0);
                let holds = holds && model.allows(kind, node);
                reach.holds.push(holds);
                if holds {
                    reach.nodes.push(node);
                }
            }
            reach.bounds.push(reach.nodes.len());
        }
        reach
    }

    /// A node that could hold a replica of the kind.
    #[inline]
    pub(super) fn draw(&self, kind: usize, random: &mut Random) -> Option<u32> {
        if self.bounds.is_empty() {
            return Some(random.below(self.all) as u32);
        }
        let nodes = &self.nodes[self.bounds[kind]..self.bounds[kind + 1]];
        (!nodes.is_empty()).then(|| nodes[random.below(nodes.len())])
    }

    /// Whether the node could hold a replica of the kind.
    #[inline]
    pub(super) fn holds(&self, kind: usize, node: u32) -> bool {
        self.holds.get(kind * self.all + node as usize).is_none_or(|holds| *holds)
    }
}

/// What each node can have free at most for what did not start there, by node and resource.
fn room(model: &Model<'_>) -> Vec<i64> {
    let problem = model.problem;
    let mut room: Vec<i64> = problem.nodes.iter().flat_map(|node| node.capacity.iter().copied()).collect();
    for (replica, start) in (0..).zip(&model.start) {
        if *start == NOWHERE {
            continue;
        }
        let room = &mut room[*start as usize * model.resources..][..model.resources];
        let need = model.need(model.kind(replica));
        for ((room, need), resource) in room.iter_mut().zip(need).zip(&problem.resources) {
            if resource.transient {
                *room -= need;
            }
        }
    }
    room
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Node, Problem, Replica, Resource, Service};

    /// Two nodes with 10 of a transient resource; what started on the first holds 6 of it there.
    fn problem() -> Problem {
        let node = || Node { capacity: [10].into(), comfort: [10].into(), size: 1_000_000 };
        let kind = |need| Kind { need: [need].into(), ..Kind::default() };
        Problem {
            resources: vec![Resource { transient: true, load_weight: 0, fills: false }],
            nodes: vec![node(), node()],
            kinds: vec![kind(6), kind(5), kind(11)],
            services: vec![Service::default()],
            replicas: vec![Replica { kind: 0, start: Some(0), movable: true }],
            ..Problem::default()
        }
    }

    #[test]
    fn leaves_out_nodes_that_could_never_hold_a_replica() {
        let problem = problem();
        let reach = Reach::new(&Model::new(&problem), usize::MAX);
        let mut random = Random::new(1);
        let mut drawn =
            |kind| (0..50).map(|_| reach.draw(kind, &mut random)).collect::<std::collections::BTreeSet<_>>();
        assert!(drawn(0).into_iter().eq([Some(1)]));
        assert!(drawn(1).into_iter().eq([Some(1)]));
        assert!(drawn(2).into_iter().eq([None]));
        assert_eq!([0, 1].map(|node| reach.holds(0, node)), [false, true]);
    }

    #[test]
    fn takes_any_node_where_looking_is_not_worth_it() {
        let problem = problem();
        let reach = Reach::new(&Model::new(&problem), 5);
        assert!(reach.draw(2, &mut Random::new(1)).is_some());
        assert!(reach.holds(2, 0));
    }
}
