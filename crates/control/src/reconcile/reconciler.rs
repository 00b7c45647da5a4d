use std::collections::BTreeSet;

use icefield_placement::{Solution, Unplaced};
use icefield_spec::Name;

use super::drain::Leaving;
use super::kept::Kept;
use super::possible::Possible;
use super::{Config, bases, drain, health, holders, jobs, leases, rebalance, rollouts, trust};
use crate::observe::Observations;
use crate::{Command, State};

/// What is to be done now, in order; empty if all is as it should be.
///
/// The commands of one answer do not get in each other's way. Once they are applied, ask again: leases change the
/// placement, that changes what rollouts do, and they in turn the placement. If one is refused, wait for the next
/// change or tick before asking again.
///
/// The nodes are thought of as they were last judged: see [`Reconciler::reconcile`].
pub fn reconcile(state: &State, seen: &Observations, config: &Config, now: u64) -> Vec<Command> {
    Reconciler::new().decide(state, seen, config, now).0
}

/// What placement came to.
struct Placing {
    settled: bool,
    unplaced: Vec<Unplaced>,
}

/// [`reconcile`] for a loop that asks often: it remembers what need not be decided anew.
#[derive(Debug, Default)]
pub struct Reconciler {
    /// The basis and the suspects from which placement last had nothing to change.
    settled: Option<(u64, BTreeSet<Name>)>,
    /// What placement is decided with.
    kept: Kept,
    /// What is to leave draining nodes.
    leaving: Leaving,
    /// What of a rebalancing was tried last.
    tried: Possible,
    /// How often placement was decided.
    decisions: u64,
}

impl Reconciler {
    /// A reconciler that remembers nothing: one for each time that a server comes to lead.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be done now; see [`reconcile`]. Ask after each change, and ten times a second besides: what is late
    /// about that counts as this server's own deafness.
    ///
    /// Besides, the nodes are judged, and `seen` gets to know what fits nowhere and why, and gives its notes away.
    pub fn reconcile(&mut self, state: &State, seen: &mut Observations, config: &Config, now: u64) -> Vec<Command> {
        health::judge(state, seen, config, now);
        let (mut commands, placing) = self.decide(state, seen, config, now);
        if let Some(placing) = placing {
            self.settled = placing.settled.then(|| (state.basis, seen.health().suspects.clone()));
            seen.set_unplaced(placing.unplaced, now);
        }
        commands.extend(seen.take_notes(state, now));
        commands
    }

    /// How often placement was decided so far. What is merely seen, as heartbeats are, is no reason to.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// The commands, and what placement came to if it was asked; it is not if it is known to be settled.
    fn decide(
        &mut self,
        state: &State,
        seen: &Observations,
        config: &Config,
        now: u64,
    ) -> (Vec<Command>, Option<Placing>) {
        if let Some(step) = trust::due(state, now) {
            return (vec![step], None);
        }
        let mut leases = leases::due(state, seen, config, now);
        leases.extend(holders::due(state, seen, config, now));
        if !leases.is_empty() || state.spec.is_none() {
            return (leases, None);
        }
        let suspects = &seen.health().suspects;
        let settled = self.settled.as_ref().is_some_and(|(basis, of)| *basis == state.basis && of == suspects);
        let placing = (!settled).then(|| {
            self.decisions += 1;
            let Solution { changes, unplaced } = self.kept.solve(state, suspects);
            let changes = holders::permitted(state, changes);
            let settled = changes.is_empty();
            (changes, Placing { settled, unplaced })
        });
        match placing {
            Some((changes, placing)) if !placing.settled => {
                (vec![Command::Place { at: now, seen: state.version, changes }], Some(placing))
            }
            // Only now, so that a replica that is nowhere is known to fit nowhere.
            placing => {
                let mut commands = rollouts::due(state, seen, self.kept.wanted(), now);
                commands.extend(jobs::due(state, seen, now));
                commands.extend(bases::due(state, seen, now));
                if commands.is_empty() {
                    commands.extend(drain::due(state, seen, &mut self.kept, &mut self.leaving, now));
                }
                if commands.is_empty() {
                    commands.extend(rebalance::due(state, seen, &mut self.kept, &mut self.tried, now));
                }
                (commands, placing.map(|(_, placing)| placing))
            }
        }
    }
}
