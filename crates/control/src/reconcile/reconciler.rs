use icefield_placement::{Solution, Unplaced};

use super::kept::Kept;
use super::rebalance::Possible;
use super::{Config, leases, rebalance, rollouts, trust};
use crate::observe::Observations;
use crate::{Command, State};

/// What is to be done now, in order; empty if all is as it should be.
///
/// The commands of one answer do not get in each other's way. Once they are applied, ask again: leases change the
/// placement, that changes what rollouts do, and they in turn the placement. If one is refused, wait for the next
/// change or tick before asking again.
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
    /// The basis from which placement last had nothing to change.
    settled: Option<u64>,
    /// When it was last asked.
    asked: Option<u64>,
    /// What placement is decided with.
    kept: Kept,
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

    /// What is to be done now; see [`reconcile`]. Ask after each change, and at least four times in
    /// [`Config::lease`].
    ///
    /// Besides, `seen` gets to know what fits nowhere and why, and gives its notes away.
    pub fn reconcile(&mut self, state: &State, seen: &mut Observations, config: &Config, now: u64) -> Vec<Command> {
        // If this server could not run for a while, the nodes' silence is its own.
        let asked = self.asked.replace(now).unwrap_or(seen.since());
        if now.saturating_sub(asked) > config.lease.get() / 2 {
            seen.excuse(now);
        }
        let (mut commands, placing) = self.decide(state, seen, config, now);
        if let Some(placing) = placing {
            self.settled = placing.settled.then_some(state.basis);
            seen.set_unplaced(placing.unplaced, now);
        }
        commands.extend(seen.take_notes(state, now));
        commands
    }

    /// How often placement was decided so far. What is merely seen, as heartbeats are, is no reason to.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// The commands, and what placement came to if it was asked; it is not if it is known to be settled at the state's
    /// basis.
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
        let leases = leases::due(state, seen, config, now);
        if !leases.is_empty() || state.spec.is_none() {
            return (leases, None);
        }
        let placing = (self.settled != Some(state.basis)).then(|| {
            self.decisions += 1;
            let Solution { changes, unplaced } = self.kept.solve(state);
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
                if commands.is_empty() {
                    commands.extend(rebalance::due(state, seen, &mut self.kept, &mut self.tried, now));
                }
                (commands, placing.map(|(_, placing)| placing))
            }
        }
    }
}
