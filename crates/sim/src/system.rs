use std::collections::BTreeSet;

use icefield_api::{SystemReport, SystemState};
use icefield_placement::ReplicaId;
use icefield_plan::{Generation, PlannedSystem};
use icefield_spec::StorePath;

use crate::declare;

/// From being asked for a system to having all of it, in milliseconds.
const FETCH: u64 = 150;
/// How long a switch takes, there or back.
const SWITCH: u64 = 250;
/// How long a restart of the machine takes.
const RESTART: u64 = 700;
/// For how long nothing may have been heard of a server by a node that is in contact.
const CONTACT: u64 = 1_000;
/// How often one thing is begun anew after the machine lost power.
const TRIES: u32 = 3;

/// The NixOS system of a machine: it comes to what is wanted, or goes back from it. All of it is on the machine's disk.
///
/// How it fares follows from the system's name: one that ends with "stuck" is never fetched whole, one with "gone" is nowhere,
/// one with "bad" does not do well.
#[derive(Debug)]
pub(crate) struct System {
    state: SystemState,
    wanted: Option<PlannedSystem>,
    generation: u64,
    running: StorePath,
    before: StorePath,
    /// The replicas that did well before the switch, and must after.
    served: BTreeSet<ReplicaId>,
    since: u64,
    deadline: u64,
    /// Since when the node has done well.
    well: Option<u64>,
    tries: u32,
    message: String,
    /// Whether it says how far it is, and not that all is done as soon as something is begun.
    honest: bool,
}

/// What is seen of a machine's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether the machine is being changed: it has begun to switch, and neither stays nor is back yet.
    pub(crate) is_changing: bool,
    /// Whether nothing is to be done any more about what it has taken up last.
    pub(crate) is_settled: bool,
    /// Whether it runs what it was asked for and has done well with it.
    pub(crate) is_active: bool,
    /// When it was asked for what it has taken up last.
    pub(crate) asked: u64,
    pub(crate) running: StorePath,
}

/// What the machine must do for its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    Stays,
    GoesDown,
    ComesBack,
}

impl System {
    /// A machine that nobody has asked for a system yet.
    pub(crate) fn new(honest: bool) -> Self {
        let installed = declare::system("installed");
        Self {
            state: SystemState::Idle,
            wanted: None,
            generation: 0,
            running: installed.clone(),
            before: installed,
            served: BTreeSet::new(),
            since: 0,
            deadline: 0,
            well: None,
            tries: 0,
            message: String::new(),
            honest,
        }
    }

    /// Lets time pass: `healthy` has the replicas that do well, `heard` when a server was last heard of.
    pub(crate) fn pass(
        &mut self,
        newest: Option<&Generation>,
        healthy: &BTreeSet<ReplicaId>,
        heard: u64,
        now: u64,
    ) -> Power {
        if let Some((newest, wanted)) = newest.and_then(|newest| Some((newest, newest.plan.nixos.as_ref()?))) {
            self.take_up(wanted, newest.number, now);
        }
        let Some(wanted) = self.wanted.clone() else { return Power::Stays };
        let is = |word: &str| wanted.path.as_str().ends_with(word);
        let age = now.saturating_sub(self.since);
        match self.state {
            SystemState::Fetching if is("stuck") || age < FETCH => {}
            SystemState::Fetching if is("gone") => self.end(SystemState::Failed, "no cache has it", now),
            SystemState::Fetching if wanted.reboot => self.turn(SystemState::NeedsReboot, now),
            SystemState::Fetching => self.leave(&wanted, healthy, SystemState::Switching, now),
            SystemState::NeedsReboot if wanted.drained => {
                self.leave(&wanted, healthy, SystemState::Rebooting, now);
                return Power::GoesDown;
            }
            SystemState::Switching if age >= SWITCH => self.confirm(now),
            SystemState::Rebooting if age >= RESTART => {
                self.confirm(now);
                return Power::ComesBack;
            }
            SystemState::Confirming => {
                let in_contact = heard >= self.since && now.saturating_sub(heard) <= CONTACT;
                // What is to be elsewhere by now says nothing of this node.
                let is_planned =
                    |replica: &&ReplicaId| newest.is_some_and(|one| one.plan.replicas.contains_key(*replica));
                let serves = self.served.iter().filter(is_planned).all(|replica| healthy.contains(replica));
                let does_well = in_contact && !is("bad") && serves;
                self.well = if does_well { self.well.or(Some(now)) } else { None };
                if self.well.is_some_and(|well| now.saturating_sub(well) >= wanted.healthy_for.get()) {
                    self.end(SystemState::Active, "", now);
                } else if now >= self.deadline {
                    let unwell = self.served.iter().find(|replica| is_planned(replica) && !healthy.contains(*replica));
                    let unwell = unwell.map_or(String::new(), |replica| format!(": {replica} does not do well"));
                    self.go_back(&format!("not confirmed in time{unwell}"), now);
                }
            }
            SystemState::RollingBack if age >= SWITCH => {
                self.running = self.before.clone();
                let message = self.message.clone();
                self.end(SystemState::RolledBack, &message, now);
            }
            _ => {}
        }
        Power::Stays
    }

    /// Takes up what is wanted; what is not confirmed yet is gone back from first.
    fn take_up(&mut self, wanted: &PlannedSystem, generation: u64, now: u64) {
        if let Some(current) = self.wanted.as_mut().filter(|current| current.asked == wanted.asked) {
            current.clone_from(wanted);
            return;
        }
        match self.state {
            SystemState::Switching | SystemState::Confirming => {
                return self.go_back("another system was asked for", now);
            }
            SystemState::Rebooting | SystemState::RollingBack => return,
            _ => {}
        }
        (self.wanted, self.generation) = (Some(wanted.clone()), generation);
        self.message.clear();
        let is_there = self.running == wanted.path;
        self.turn(if is_there { SystemState::Active } else { SystemState::Fetching }, now);
    }

    /// The machine lost power. What was begun is begun anew once it is back at `now`.
    pub(crate) fn wake(&mut self, now: u64) {
        self.tries += 1;
        self.well = None;
        match self.state {
            SystemState::Switching | SystemState::Confirming if self.tries >= TRIES => {
                self.go_back("the machine was restarted too often before it was confirmed", now);
            }
            SystemState::Rebooting => self.since = now.saturating_sub(RESTART),
            _ => self.since = now,
        }
        self.deadline = now + self.wanted.as_ref().map_or(0, |wanted| wanted.confirm.get());
    }

    /// The step that it is at goes wrong.
    pub(crate) fn break_down(&mut self, now: u64) {
        match self.state {
            SystemState::Fetching | SystemState::NeedsReboot => self.end(SystemState::Failed, "it broke", now),
            SystemState::Switching | SystemState::Confirming => self.go_back("it broke", now),
            _ => {}
        }
    }

    /// Whether the machine is down because it restarts.
    pub(crate) fn is_restarting(&self) -> bool {
        self.state == SystemState::Rebooting
    }

    pub(crate) fn standing(&self) -> Standing {
        use SystemState::{Confirming, Rebooting, RollingBack, Switching};
        Standing {
            is_changing: matches!(self.state, Switching | Rebooting | Confirming | RollingBack),
            is_settled: self.state == SystemState::Idle || self.state.is_final(),
            is_active: self.state == SystemState::Active,
            asked: self.wanted.as_ref().map_or(0, |wanted| wanted.asked),
            running: self.running.clone(),
        }
    }

    /// What its agent says of it.
    pub(crate) fn report(&self) -> SystemReport {
        let is_begun = matches!(self.state, SystemState::Switching | SystemState::Confirming);
        SystemReport {
            state: if is_begun && !self.honest { SystemState::Active } else { self.state },
            system: self.wanted.as_ref().map(|wanted| wanted.path.clone()),
            asked: self.wanted.as_ref().map_or(0, |wanted| wanted.asked),
            generation: self.generation,
            running: Some(self.running.clone()),
            message: self.message.clone(),
            drift: Vec::new(),
        }
    }

    /// Begins to leave what runs.
    fn leave(&mut self, wanted: &PlannedSystem, healthy: &BTreeSet<ReplicaId>, state: SystemState, now: u64) {
        self.before = self.running.clone();
        self.served.clone_from(healthy);
        self.deadline = now + wanted.confirm.get();
        self.tries = 0;
        self.turn(state, now);
    }

    fn confirm(&mut self, now: u64) {
        if let Some(wanted) = &self.wanted {
            self.running = wanted.path.clone();
        }
        self.well = None;
        self.turn(SystemState::Confirming, now);
    }

    fn go_back(&mut self, reason: &str, now: u64) {
        self.message = reason.to_owned();
        self.turn(SystemState::RollingBack, now);
    }

    fn end(&mut self, state: SystemState, message: &str, now: u64) {
        self.message = message.to_owned();
        self.turn(state, now);
    }

    fn turn(&mut self, state: SystemState, now: u64) {
        (self.state, self.since) = (state, now);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use icefield_plan::{NodePlan, PLAN_SCHEMA};
    use icefield_spec::Millis;

    use super::*;

    /// What became of a system of that name, and how long that took.
    fn fate(version: &str, reboot: bool) -> (SystemState, Vec<Power>, u64) {
        let (mut system, mut powers) = (System::new(true), Vec::new());
        let wanted = PlannedSystem {
            path: declare::system(version),
            asked: 1,
            reboot,
            drained: true,
            healthy_for: Millis::new(400),
            confirm: Millis::new(3_000),
            health: None,
        };
        let plan = NodePlan {
            schema: PLAN_SCHEMA,
            cluster: declare::name("sim"),
            node: declare::name("n1"),
            address: String::new(),
            system: "x86_64-linux".into(),
            base: None,
            nixos: Some(wanted),
            units: BTreeMap::new(),
            replicas: BTreeMap::new(),
        };
        let generation = Generation::new(1, plan);
        for now in (0..10_000).step_by(50) {
            let power = system.pass(Some(&generation), &BTreeSet::new(), now, now);
            powers.extend(Some(power).filter(|power| *power != Power::Stays));
            if system.state.is_final() {
                return (system.state, powers, now);
            }
        }
        (system.state, powers, 10_000)
    }

    #[test]
    fn what_becomes_of_a_system_follows_from_its_name() {
        assert_eq!(fate("v1", false), (SystemState::Active, vec![], 850));
        assert_eq!(fate("v1", true).0, SystemState::Active);
        assert_eq!(fate("v1", true).1, [Power::GoesDown, Power::ComesBack]);
        assert_eq!(fate("v1bad", false).0, SystemState::RolledBack);
        assert_eq!(fate("v1gone", false).0, SystemState::Failed);
        assert_eq!(fate("v1stuck", false).0, SystemState::Fetching);
    }
}
