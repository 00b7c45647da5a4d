use std::collections::BTreeSet;

use icefield_plan::{PlannedSystem, ReplicaId};
use icefield_spec::StorePath;
use serde::{Deserialize, Serialize};

use super::clock::{Clock, Deadline};
use super::step::Step;

/// How often one thing is begun that does not end, before the way back is taken or there is none.
const TRIES: u32 = 3;

/// One attempt to come to a system, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// What is to be come to.
    pub(super) wanted: PlannedSystem,
    /// The node's generation that asked for it.
    pub(super) generation: u64,
    /// Where it is.
    pub(super) step: Step,
    /// Which start of the machine that was noted in.
    boot: String,
    /// What there is to go back to; known from [`Step::SetProfile`] on.
    pub(super) before: Option<Before>,
    /// Whether the machine must be restarted for it.
    pub(super) restart: bool,
    /// The replicas that did well before, and must do well after.
    pub(super) served: BTreeSet<ReplicaId>,
    /// How often the step was begun before.
    pub(super) tries: u32,
    /// When it must have proved itself by.
    deadline: Option<Deadline>,
    /// Since when it can be confirmed, by the time since the machine's start.
    pub(super) since: u64,
    /// Why it did not do.
    pub(super) reason: String,
}

/// What a node goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) system: StorePath,
    /// Its number in the profile, if it was there.
    pub(super) number: Option<u64>,
}

/// What is true of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// What the profile names, with its number there.
    pub(super) profile: Option<Before>,
    /// What runs.
    pub(super) running: Option<StorePath>,
    /// What the machine was started with.
    pub(super) booted: Option<StorePath>,
    /// Whether the wanted system can only be come to by a restart of the machine.
    pub(super) needs_restart: bool,
    /// The replicas that do well.
    pub(super) healthy: BTreeSet<ReplicaId>,
}

/// Something to be done to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Fetch(StorePath),
    Verify(StorePath),
    SetProfile(StorePath),
    RestoreProfile(Before),
    /// `bin/switch-to-configuration switch`.
    Switch(StorePath),
    /// `bin/switch-to-configuration boot`.
    Boot(StorePath),
    Reboot,
}

impl Attempt {
    /// An attempt that begins now. A node that has the system and runs it is there at once.
    pub(super) fn begin(wanted: PlannedSystem, generation: u64, facts: &Facts, clock: &Clock) -> Self {
        let path = &wanted.path;
        let named = facts.profile.as_ref().is_some_and(|profile| profile.system == *path);
        let is_there = named && facts.running.as_ref() == Some(path) && !facts.needs_restart;
        Self {
            generation,
            step: if is_there { Step::Active } else { Step::Fetch },
            boot: clock.boot.clone(),
            before: None,
            restart: false,
            served: BTreeSet::new(),
            tries: 0,
            deadline: None,
            since: 0,
            reason: String::new(),
            wanted,
        }
    }

    /// Whether it is an attempt at what is wanted; that may be wanted in another way by now.
    pub(super) fn is_at(&self, wanted: &PlannedSystem) -> bool {
        self.wanted.path == wanted.path && self.wanted.asked == wanted.asked
    }

    /// What is to be done in the step that it is at; `None` if something is waited for, or it is over.
    pub(super) fn action(&self) -> Option<Action> {
        let path = || self.wanted.path.clone();
        let before = || self.before.clone();
        match self.step {
            Step::Fetch => Some(Action::Fetch(path())),
            Step::Verify => Some(Action::Verify(path())),
            Step::SetProfile => Some(Action::SetProfile(path())),
            Step::Switch if self.restart => Some(Action::Boot(path())),
            Step::Switch => Some(Action::Switch(path())),
            Step::RestoreProfile => before().map(Action::RestoreProfile),
            Step::SwitchBack if self.restart => before().map(|before| Action::Boot(before.system)),
            Step::SwitchBack => before().map(|before| Action::Switch(before.system)),
            Step::Reboot | Step::RebootBack => Some(Action::Reboot),
            Step::AwaitDrain | Step::Confirm | Step::Active | Step::RolledBack | Step::Failed => None,
        }
    }

    /// How many milliseconds what is to be done may take.
    pub(super) fn patience(&self, clock: &Clock) -> u64 {
        let whole = self.wanted.confirm.get();
        match &self.deadline {
            Some(deadline) if self.step.is_open() => deadline.left(clock).min(whole),
            _ => whole,
        }
    }

    /// Takes up what came of the step's action. A restart of the machine that was asked for ends this agent; if it is still
    /// there when it should not be, that is a failure too.
    pub(super) fn done(&mut self, result: Result<(), String>, facts: &Facts, clock: &Clock) {
        match (self.step, result) {
            (Step::Fetch, Ok(())) => self.go(Step::Verify),
            (Step::Verify, Ok(())) => {
                self.restart = self.wanted.reboot || facts.needs_restart;
                self.go(Step::AwaitDrain);
                self.look(facts, clock);
            }
            (Step::SetProfile, Ok(())) => self.go(Step::Switch),
            (Step::Switch, Ok(())) if self.restart => self.go(Step::Reboot),
            (Step::Switch, Ok(())) => self.await_confirmation(clock),
            (Step::RestoreProfile, Ok(())) => self.go(Step::SwitchBack),
            (Step::SwitchBack, Ok(())) if self.restart => self.go(Step::RebootBack),
            (Step::SwitchBack, Ok(())) => self.go(Step::RolledBack),
            (Step::Reboot | Step::RebootBack, Ok(())) => {}
            (Step::Fetch, Err(error)) if self.tries + 1 >= TRIES => self.fail(error),
            (Step::Verify, Err(error)) => self.fail(error),
            // One that an earlier agent has begun may still be at work.
            (Step::Switch, Err(error)) if self.tries == 0 || self.is_overdue(clock) => {
                self.go_back(error, facts, clock)
            }
            (Step::SetProfile | Step::Reboot, Err(error)) => self.go_back(error, facts, clock),
            (Step::RestoreProfile | Step::SwitchBack | Step::RebootBack, Err(error)) if self.tries + 1 >= TRIES => {
                let is_back = self.before.as_ref().is_some_and(|before| {
                    facts.running.as_ref() == Some(&before.system)
                        && facts.profile.as_ref().is_some_and(|p| p.system == before.system)
                });
                // What a switch complains of need not keep the system from being there.
                let reason = format!("{}; going back: {error}", self.reason);
                if is_back && self.step == Step::SwitchBack && !self.restart {
                    self.go(Step::RolledBack);
                    self.reason = reason;
                } else {
                    self.fail(reason);
                }
            }
            (_, Err(_)) => self.tries += 1,
            (_, Ok(())) => {}
        }
    }

    /// Goes on from a step that waits, if what it waits for is there or too late.
    pub(super) fn look(&mut self, facts: &Facts, clock: &Clock) {
        match self.step {
            Step::AwaitDrain if self.wanted.drained || !self.restart => {
                let running = facts.running.clone().map(|system| Before { system, number: None });
                let other = |before: &Before| before.system != self.wanted.path;
                self.before = facts.profile.clone().filter(other).or(running.filter(other));
                self.served.clone_from(&facts.healthy);
                self.deadline = Some(Deadline::after(clock, self.wanted.confirm.get()));
                self.go(Step::SetProfile);
            }
            Step::Reboot if self.is_overdue(clock) => self.go_back("the machine did not restart".into(), facts, clock),
            Step::RebootBack if self.is_overdue(clock) => {
                self.done(Err("the machine did not restart".into()), facts, clock)
            }
            _ => {}
        }
    }

    /// Takes up whether the node has done well for long enough, or why it does not do well.
    pub(super) fn judge(&mut self, well: Result<bool, String>, facts: &Facts, clock: &Clock) {
        if self.step != Step::Confirm {
            return;
        }
        match well {
            Ok(true) => self.go(Step::Active),
            _ if !self.is_overdue(clock) => {}
            Ok(false) => self.go_back(
                format!("it did well, but not for {} within {}", self.wanted.healthy_for, self.wanted.confirm),
                facts,
                clock,
            ),
            Err(reason) => {
                self.go_back(format!("not confirmed within {}: {reason}", self.wanted.confirm), facts, clock)
            }
        }
    }

    /// Something else is wanted: what is not confirmed yet is gone back from first. True if the attempt is out of the way.
    pub(super) fn give_way(&mut self, facts: &Facts, clock: &Clock) -> bool {
        if self.step.is_open() {
            self.go_back("another system was asked for before this one was confirmed".into(), facts, clock);
        }
        self.step.is_before_the_switch() || self.step.state().is_final()
    }

    /// Takes up what an earlier agent left, maybe before a restart of the machine.
    pub(super) fn resume(&mut self, facts: &Facts, clock: &Clock) {
        let restarted = self.boot != clock.boot;
        self.boot.clone_from(&clock.boot);
        if restarted && self.deadline.is_some() {
            self.deadline = Some(Deadline::after(clock, self.wanted.confirm.get()));
        }
        let runs = |system: &StorePath| facts.running.as_ref() == Some(system);
        let came_back = || {
            let with = facts.running.as_ref().map_or("no system that is known".to_owned(), StorePath::short);
            format!("the machine came back with {with}")
        };
        match self.step {
            Step::Reboot if restarted && runs(&self.wanted.path) => self.await_confirmation(clock),
            Step::Confirm if runs(&self.wanted.path) && restarted => {
                self.tries += 1;
                self.since = clock.uptime;
                if self.tries >= TRIES {
                    self.go_back(
                        format!("the machine was restarted {} times before it was confirmed", self.tries),
                        facts,
                        clock,
                    );
                }
            }
            Step::Confirm if runs(&self.wanted.path) => {}
            Step::Reboot | Step::Confirm if restarted => self.go_back(came_back(), facts, clock),
            Step::Confirm => self.go_back("another system runs than the one that was switched to".into(), facts, clock),
            Step::RebootBack if restarted => match &self.before {
                Some(before) if runs(&before.system) => self.go(Step::RolledBack),
                _ if self.tries + 1 >= TRIES => self.fail(format!("{}; going back: {}", self.reason, came_back())),
                _ => {
                    let tries = self.tries + 1;
                    self.go(Step::SwitchBack);
                    self.tries = tries;
                }
            },
            Step::SetProfile | Step::Switch if self.tries + 1 >= TRIES => {
                let reason = format!("the agent was ended {} times while {}", self.tries + 1, self.step.words());
                self.go_back(reason, facts, clock);
            }
            Step::SetProfile | Step::Switch => self.tries += 1,
            _ => {}
        }
    }

    pub(super) fn is_overdue(&self, clock: &Clock) -> bool {
        self.deadline.as_ref().is_some_and(|deadline| deadline.left(clock) == 0)
    }

    fn await_confirmation(&mut self, clock: &Clock) {
        self.go(Step::Confirm);
        self.since = clock.uptime;
    }

    /// Sets out for the system before, if there is one.
    fn go_back(&mut self, reason: String, facts: &Facts, clock: &Clock) {
        let Some(before) = &self.before else {
            return self.fail(format!("{reason}; there is no system before to go back to"));
        };
        // Where that still runs, or runs again, no further restart is needed.
        self.restart &= facts.running.as_ref() != Some(&before.system);
        self.reason = reason;
        self.deadline = Some(Deadline::after(clock, self.wanted.confirm.get()));
        self.go(Step::RestoreProfile);
    }

    fn fail(&mut self, reason: String) {
        self.reason = reason;
        self.go(Step::Failed);
    }

    fn go(&mut self, step: Step) {
        (self.step, self.tries) = (step, 0);
        if matches!(step, Step::Active | Step::RolledBack | Step::Failed) {
            self.deadline = None;
        }
    }
}
