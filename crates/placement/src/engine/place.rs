use std::cmp::Reverse;

use super::group::Group;
use super::id::{GroupId, ReplicaNo};
use super::queue::Queue;
use super::state::State;
use crate::Acceptance;

/// Places what is nowhere, group by group: those that fit on few nodes first, then the largest.
pub(crate) fn place(state: &mut State<'_>) {
    let world = state.world;
    let mut pending: Vec<Vec<ReplicaNo>> = vec![Vec::new(); world.groups.len()];
    for (position, wanted) in world.replicas.iter().enumerate() {
        let replica = ReplicaNo::new(position);
        if state.spot(replica).is_none() {
            pending[wanted.group.at()].push(replica);
        }
    }
    let mut order: Vec<_> = (0..world.groups.len())
        .filter(|group| !pending[*group].is_empty())
        .map(|group| (Urgency::new(state, world.group(GroupId::new(group))), group))
        .collect();
    order.sort();
    for (_, at) in order {
        let group = world.group(GroupId::new(at));
        let mut queue = Queue::new(state, group);
        for replica in &pending[at] {
            // The group's replicas are alike: where one fits nowhere, none does.
            let Some(node) = queue.best(state) else { break };
            state.put(*replica, node, &[]);
            queue.used_best(state);
        }
    }
}

/// Which group goes first: small ones fill the gaps that large ones leave, but not the other way round.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Urgency {
    /// The number of nodes that its labels allow, to the next power of two: fewer first.
    choice: u32,
    /// Whether it has fixed ports, which a dynamic one could take before it.
    free_of_fixed_ports: bool,
    /// The share of the whole fleet that one replica takes, in billionths: more first.
    size: Reverse<u64>,
}

impl Urgency {
    fn new(state: &State<'_>, group: &Group<'_>) -> Self {
        let world = state.world;
        let choice = if group.demand.rules.require.is_empty() {
            world.nodes.len()
        } else {
            let require = || group.hard.iter().filter(|rule| rule.label().is_some());
            let ready = world.node_ids().filter(|node| world.host(*node).acceptance == Acceptance::Ready);
            ready.filter(|node| require().all(|rule| rule.admits(state, *node))).count()
        };
        let whole = world.capacity.iter().zip(group.need);
        let share = |(whole, need): (&u128, u64)| u128::from(need) * 1_000_000_000 / (*whole).max(1);
        let size = whole.map(share).max().unwrap_or(0);
        Self {
            choice: choice.checked_ilog2().map_or(0, |log| log + 1),
            free_of_fixed_ports: group.fixed.is_empty(),
            size: Reverse(u64::try_from(size).unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Cpu;

    use crate::examples::{three, with};
    use crate::fleet::demand;

    #[test]
    fn what_has_little_choice_goes_first() {
        let mut fleet = three();
        let mut anywhere = demand(2);
        anywhere.cpu = Cpu::from_millis(4000);
        fleet.add_service("anywhere", [anywhere]);
        fleet.add_service(
            "small",
            [with(|small| drop(small.rules.require.insert("disk".into(), icefield_spec::Condition::one_of(["ssd"]))))],
        );
        let solution = fleet.solve();
        assert!(solution.unplaced.is_empty(), "{solution:?}");
    }
}
