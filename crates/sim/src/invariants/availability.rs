//! No rollout takes a replica down by which fewer than the least number serve.
//!
//! What the leader goes by is always a little old. So a replica that is left counts as serving if its process was well at any
//! time lately; and one that was taken down counts as such only if it had been well for so long that the leader must know.
//! A leader can leave decisions in the log that the next one finds there, however long that takes: these are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_api::EventKind;
use icefield_control::State;
use icefield_placement::{Assignment, ReplicaId};
use icefield_spec::{Name, Revision, Service, Strategy};

use crate::invariants::convergence::Running;

pub(crate) const NAME: &str = "never below the least number by a rollout's doing";

/// How old what the leader goes by may be, in milliseconds: a node that is silent for longer counts as suspect.
const LATELY: u64 = 8_000;

/// After how long the leader must know of a replica that is well, in milliseconds; else its node counts as suspect.
const KNOWN: u64 = 4_000;

/// How far two looks may be apart between which a process was well all the time, in milliseconds.
const APART: u64 = 100;

/// Which process was well until when and for how long, and the state that was seen last.
#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// When was last looked, in milliseconds since the start.
    now: u64,
    well: BTreeMap<(Name, ReplicaId, Revision), Well>,
    before: Option<Arc<State>>,
    /// The term of the leader.
    term: u64,
    /// The last event before that term that says who leads.
    earlier: Option<u64>,
}

/// From when until when a process was well, in milliseconds since the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Well {
    since: u64,
    until: u64,
}

impl Availability {
    /// Takes note of what runs well at `now`, in milliseconds since the start.
    pub(crate) fn note(&mut self, running: &[Running], now: u64) {
        self.now = now;
        for (node, replicas) in running {
            for (replica, revision, _) in replicas.iter().filter(|(_, _, well)| *well) {
                let well = self.well.entry((node.clone(), replica.clone(), *revision));
                let well = well.or_insert(Well { since: now, until: now });
                if now.saturating_sub(well.until) > APART {
                    well.since = now;
                }
                well.until = now;
            }
        }
        self.well.retain(|_, well| now.saturating_sub(well.until) <= LATELY);
    }

    /// Takes note of the term in which a server leads now.
    pub(crate) fn led(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.earlier = Some(self.before.as_deref().map_or(0, last_to_lead));
        }
    }

    /// Compares a newer state with the one before.
    pub(crate) fn check(&mut self, state: &Arc<State>) -> Result<(), String> {
        let Some(before) = self.before.replace(Arc::clone(state)) else { return Ok(()) };
        let Some(spec) = &state.spec else { return Ok(()) };
        // What a new leader does first is to say so.
        if state.version <= before.version || self.earlier.is_some_and(|earlier| last_to_lead(&before) <= earlier) {
            return Ok(());
        }
        for (name, service) in &spec.services {
            let taken = self.taken(&before, state, name);
            let moved = self.serving(&before, name).filter(|(replica, from, _)| moved(state, replica, from));
            let serving = self.serving(state, name).chain(moved).map(|(replica, ..)| replica);
            let serving = serving.collect::<BTreeSet<_>>().len();
            // What was declared between the two may have come before the step or after it.
            let declared = before.spec.as_ref().and_then(|spec| spec.services.get(name));
            let least = declared.map_or(least(service), |declared| least(declared).min(least(service)));
            if let Some(replica) = taken.filter(|_| serving < least) {
                return Err(format!("{replica} was taken down, and {serving} of {least} are left"));
            }
        }
        Ok(())
    }

    /// The state that was compared last.
    pub(super) fn before(&self) -> Option<&Arc<State>> {
        self.before.as_ref()
    }

    /// Whether a process of `replica` is well, and was for so long that the leader must have known when it decided what is in `after`.
    pub(super) fn surely_served(&self, well: Well, after: &State, replica: &ReplicaId) -> bool {
        // It can take a while until a decision is agreed on. How long, tells the clock that it was made by.
        let newest = after.events.iter().next_back().map_or(0, |event| event.at);
        let late = after.placed.decision(replica).map_or(0, |decision| newest.saturating_sub(decision.at));
        // What has ended since serves no more, and may be replaced at once.
        well.until == self.now && well.until.saturating_sub(well.since) >= KNOWN.saturating_add(late)
    }

    /// A replica that served and that a rollout has taken down, replaced, or hidden since.
    fn taken(&self, before: &State, after: &State, service: &Name) -> Option<ReplicaId> {
        let declared =
            |state: &State| state.spec.as_ref().and_then(|spec| spec.services.get(service)).map(|one| one.replicas);
        // Where there are to be fewer, some go.
        if declared(before) != declared(after) {
            return None;
        }
        let is_there = |node: &Name| after.nodes.get(node).is_some_and(|node| !node.lost && !node.draining);
        self.serving(before, service).find_map(|(replica, assignment, well)| {
            let is_by_rollout = match after.placed.get(&replica) {
                _ if moved(after, &replica, assignment) => false,
                Some(now) => now.revision != assignment.revision || !is_known(after, &replica),
                None => true,
            };
            let is_wrong = is_by_rollout && is_there(&assignment.node) && self.surely_served(well, after, &replica);
            is_wrong.then_some(replica)
        })
    }

    /// The replicas that discovery knows of and that were well lately.
    pub(super) fn serving<'a>(
        &'a self,
        state: &'a State,
        service: &'a Name,
    ) -> impl Iterator<Item = (ReplicaId, &'a Assignment, Well)> + 'a {
        let placed = state.placed.placement().service(service.as_str());
        placed.filter_map(|(index, assignment)| {
            let replica = ReplicaId::new(service.clone(), index);
            let key = (assignment.node.clone(), replica.clone(), assignment.revision);
            let is_lost = state.nodes.get(&assignment.node).is_none_or(|node| node.lost);
            let well = self.well.get(&key).filter(|_| is_known(state, &replica) && !is_lost)?;
            Some((replica, assignment, *well))
        })
    }
}

/// The number of the last event that says who leads.
fn last_to_lead(state: &State) -> u64 {
    let leader = state.events.iter().rev().find(|event| event.kind == EventKind::Leader);
    leader.map_or(0, |event| event.number)
}

/// Whether a replica is elsewhere now than it was: it goes because of its node, and no rollout is to blame.
fn moved(after: &State, replica: &ReplicaId, from: &Assignment) -> bool {
    after.placed.get(replica).is_some_and(|now| now.node != from.node)
}

/// Whether a replica is to serve: it is one of the service's own, or stands in for one.
fn is_known(state: &State, replica: &ReplicaId) -> bool {
    let Some(record) = state.services.get(&replica.service) else { return false };
    let declared =
        state.spec.as_ref().and_then(|spec| spec.services.get(&replica.service)).map_or(0, |one| one.replicas);
    let own = record.own.as_ref().map_or(replica.index < declared, |own| own.contains(&replica.index));
    own || record.rollout.surge.contains(&replica.index)
}

/// How many must serve where a rollout takes one down.
fn least(service: &Service) -> usize {
    let unavailable = match service.update.kind {
        Strategy::BlueGreen { .. } => 0,
        Strategy::Rolling | Strategy::Canary { .. } => service.update.max_unavailable,
    };
    service.replicas.saturating_sub(unavailable) as usize
}

#[cfg(test)]
mod tests {
    use icefield_api::Capacity;
    use icefield_control::{Applied, Command};
    use icefield_placement::{Change, ChangeKind};
    use icefield_spec::{Bytes, Cpu};

    use super::*;
    use crate::declare::{Wish, node_name};

    #[test]
    fn sees_a_replica_that_was_taken_down_though_it_was_needed() {
        let spec = Wish::first().spec(3);
        let (mut state, mut index) = (State::default(), 0);
        let mut apply = |state: &mut State, command| {
            index += 1;
            assert!(matches!(state.apply(index, command), Applied::Done(_)));
        };
        apply(&mut state, Command::Apply { at: 0, spec: Box::new(spec.clone()), expect: None });
        let (web, revision) = (Name::new("web").unwrap(), spec.services["web"].revision());
        let place = |at: usize| {
            let to = Assignment { node: node_name(at), revision, ports: BTreeMap::new() };
            (ReplicaId::new(web.clone(), at as u32), to)
        };
        let capacity = Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(8 << 30), ports: None };
        for at in 0..2 {
            let (node, address, api) = (node_name(at), String::new(), String::new());
            apply(
                &mut state,
                Command::Register { at: 0, node, address, api, capacity, drivers: Vec::new(), started: 1 },
            );
            let (replica, to) = place(at);
            let change = Change { replica, kind: ChangeKind::Place { to }, reason: String::new() };
            let seen = state.version;
            apply(&mut state, Command::Place { at: 0, seen, changes: vec![change] });
        }
        let running = |well| {
            let one = |at: usize| (node_name(at), vec![(place(at).0, revision, well)]);
            [one(0), one(1)]
        };
        let (replica, to) = place(1);
        let remove = Change { replica, kind: ChangeKind::Remove { from: to.node }, reason: String::new() };
        let mut after = state.clone();
        let seen = after.version;
        apply(&mut after, Command::Place { at: 0, seen, changes: vec![remove] });
        for (well, verdict) in [(true, Err("web/1 was taken down, and 1 of 2 are left".to_owned())), (false, Ok(()))] {
            let mut availability = Availability::default();
            for now in 0..100 {
                availability.note(&running(well), now * 50);
            }
            assert_eq!(availability.check(&Arc::new(state.clone())), Ok(()));
            assert_eq!(availability.check(&Arc::new(after.clone())), verdict);
        }
    }
}
