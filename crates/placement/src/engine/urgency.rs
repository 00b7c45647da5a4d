use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_spec::Name;

use super::group::Group;
use super::id::ServiceId;
use super::state::State;
use crate::Demand;

/// Which group goes first: those of higher priority; then what others are kept with; then small ones fill the gaps that
/// large ones leave, but not the other way round.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    priority: Reverse<i32>,
    depth: usize,
    /// The number of nodes that its labels allow, to the next power of two: fewer first.
    choice: u32,
    /// Whether it has fixed ports, which a dynamic one could take before it.
    free_of_fixed_ports: bool,
    /// The share of the whole fleet that one replica takes, in billionths: more first.
    size: Reverse<i64>,
    name: Name,
}

impl Urgency {
    pub(super) fn new(state: &State, group: &Group, choices: &mut Choices) -> Self {
        let world = &state.world;
        let choice = choices.of(state, group);
        let priority = followers_priority(state, group.service);
        let depth = depth(state, group.service, &mut BTreeMap::new());
        Self {
            priority: Reverse(priority.max(group.demand.priority)),
            depth,
            choice: choice.checked_ilog2().map_or(0, |log| log + 1),
            free_of_fixed_ports: group.fixed.is_empty(),
            size: Reverse(world.typical_share(&group.need)),
            name: world.service(group.service).name.clone(),
        }
    }
}

/// How many nodes what is required lets a replica be on; found once for all that require the same.
#[derive(Default)]
pub(super) struct Choices(Vec<(Arc<Demand>, usize)>);

impl Choices {
    fn of(&mut self, state: &State, group: &Group) -> usize {
        let open = state.world.open();
        if group.demand.rules.require.is_empty() {
            return open.len();
        }
        let rules = || group.hard.iter().filter(|rule| rule.label().is_some() && !rule.may_return());
        let left = || {
            let mut nodes = open.to_vec();
            rules().for_each(|rule| rule.strike(state, &mut nodes));
            nodes.len()
        };
        // What others are where is another matter for each service.
        if !rules().all(|rule| rule.is_static()) {
            return left();
        }
        let Self(known) = self;
        let same = known.iter().find(|(demand, _)| demand.rules.require == group.demand.rules.require);
        if let Some((_, choice)) = same {
            return *choice;
        }
        let choice = left();
        known.push((Arc::clone(&group.demand), choice));
        choice
    }
}

/// The highest priority of what is kept with a service, one after the other.
fn followers_priority(state: &State, service: ServiceId) -> i32 {
    let mut seen = BTreeSet::from([service]);
    let mut open = vec![service];
    let mut priority = i32::MIN;
    while let Some(next) = open.pop() {
        for follower in &state.world.service(next).followers {
            if keeps_with(state, *follower, next) && seen.insert(*follower) {
                let own = state.world.service(*follower).demands.iter().map(|demand| demand.priority).max();
                priority = priority.max(own.unwrap_or(i32::MIN));
                open.push(*follower);
            }
        }
    }
    priority
}

/// How many services a service is itself kept with, one after the other; where they go in a circle, that is cut.
/// `known` has what was found already.
fn depth(state: &State, service: ServiceId, known: &mut BTreeMap<ServiceId, usize>) -> usize {
    if let Some(depth) = known.get(&service) {
        return *depth;
    }
    known.insert(service, 0);
    let mut deepest = 0;
    for other in &state.world.service(service).strangers {
        if *other != service && keeps_with(state, service, *other) {
            deepest = deepest.max(depth(state, *other, known) + 1);
        }
    }
    known.insert(service, deepest);
    deepest
}

fn keeps_with(state: &State, service: ServiceId, other: ServiceId) -> bool {
    let name = &state.world.service(other).name;
    let mut company = state.world.service(service).demands.iter().flat_map(|demand| &demand.rules.keep_with);
    company.any(|company| company.service == *name)
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Condition, Cpu};

    use crate::examples::{three, with};
    use crate::fleet::demand;

    #[test]
    fn what_has_little_choice_goes_first() {
        let mut fleet = three();
        let mut anywhere = demand(2);
        anywhere.cpu = Cpu::from_millis(4000);
        fleet.add_service("anywhere", [anywhere]);
        let small = with(|small| drop(small.rules.require.insert("disk".into(), Condition::one_of(["ssd"]))));
        fleet.add_service("small", [small]);
        let solution = fleet.solve();
        assert!(solution.unplaced.is_empty(), "{solution:?}");
    }
}
