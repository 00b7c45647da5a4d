use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{SystemReport, SystemState};
use icefield_plan::{PlannedSystem, ReplicaId};
use icefield_spec::{Health, Probe};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::attempt::{Action, Attempt, Facts};
use super::clock::Clock;
use super::host::{Host, SystemConfig};
use super::step::Step;
use crate::exchange::Exchange;
use crate::record::{self, Keep};

/// How long a node may not have heard of a server to count as in contact, in milliseconds.
const CONTACT: u64 = 10_000;
/// How often it is looked at what waits.
const TICK: Duration = Duration::from_millis(100);
/// How often it is looked whether everything is still as it should be.
const DRIFT: Duration = Duration::from_secs(5);
/// How long to wait before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// The same for what could not be put right.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// What an activation goes by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Given {
    /// The node's generation.
    pub generation: u64,
    /// The system that it names.
    pub wanted: Option<PlannedSystem>,
    /// The replicas that it names.
    pub planned: BTreeSet<ReplicaId>,
    /// Those that do well.
    pub healthy: BTreeSet<ReplicaId>,
}

/// What brings a node to the system that its generation names.
#[derive(Debug)]
pub struct Activation {
    host: Host,
    record: PathBuf,
    attempt: Option<Attempt>,
    /// What is on disk.
    noted: Option<Attempt>,
    /// The step whose action has been done, and that is waited for besides.
    acted: Option<(Step, u32)>,
    /// Since when the node has done well, by the time since its start.
    well: Option<u64>,
    /// Why it does not do well.
    unwell: String,
    asked_health: Option<(Instant, Result<(), String>)>,
    healed: Option<Instant>,
    drift: Vec<String>,
    complaint: Option<String>,
}

impl Activation {
    /// Takes over what an earlier agent left in its folder `data`.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn open(config: SystemConfig, data: &Path) -> io::Result<Self> {
        let record = data.join("activation.json");
        let (attempt, complaint) = match record::read::<Attempt>(&record) {
            Ok(attempt) => (attempt, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let host = Host::new(config, data)?;
        Ok(Self {
            host,
            record,
            noted: attempt.clone(),
            attempt,
            acted: None,
            well: None,
            unwell: String::new(),
            asked_health: None,
            healed: None,
            drift: Vec::new(),
            complaint,
        })
    }

    /// The same, which gets systems from other nodes where it can.
    pub(crate) fn through(mut self, exchange: Option<Arc<Exchange>>) -> Self {
        self.host.exchange = exchange;
        self
    }

    /// Brings the node to what `given` names, whenever that changes, and says how far it is. `contact` has when a server
    /// was last heard of, in milliseconds since the machine's start. Ends when `given` does.
    pub async fn run(
        mut self,
        mut given: watch::Receiver<Given>,
        contact: watch::Receiver<u64>,
        reports: watch::Sender<SystemReport>,
    ) {
        self.await_switch(&reports).await;
        let (facts, clock) = self.see(&BTreeSet::new());
        if let Some(attempt) = &mut self.attempt {
            attempt.resume(&facts, &clock);
        }
        loop {
            let now = given.borrow_and_update().clone();
            let (facts, clock) = self.see(&now.healthy);
            self.take_up(&now, &facts, &clock);
            if !self.note() {
                self.tell(&facts, &reports);
                sleep(PAUSE).await;
                continue;
            }
            self.tell(&facts, &reports);
            let due = self.attempt.as_ref().and_then(|attempt| Some((attempt.action()?, attempt.step, attempt.tries)));
            match due.filter(|(_, step, tries)| self.acted != Some((*step, *tries))) {
                Some((action, step, _)) => {
                    if !self.act(action, step, &mut given).await {
                        return;
                    }
                }
                None => {
                    let pause = self.pause();
                    tokio::select! {
                        changed = given.changed() => if changed.is_err() { return },
                        () = sleep(pause) => {}
                    }
                    let healthy = given.borrow().clone();
                    let heard = *contact.borrow();
                    self.look(&healthy, heard).await;
                }
            }
        }
    }

    /// Waits for a switch that an earlier agent has begun and that runs apart; one that takes too long is ended.
    async fn await_switch(&self, reports: &watch::Sender<SystemReport>) {
        let (facts, clock) = self.see(&BTreeSet::new());
        let patience = Duration::from_millis(self.attempt.as_ref().map_or(0, |attempt| attempt.patience(&clock)));
        let begun = Instant::now();
        while self.host.is_switching() {
            self.tell(&facts, reports);
            if begun.elapsed() >= patience {
                self.host.end_switch();
            }
            sleep(TICK).await;
        }
    }

    fn see(&self, healthy: &BTreeSet<ReplicaId>) -> (Facts, Clock) {
        let wanted = self.attempt.as_ref().map(|attempt| &attempt.wanted.path);
        (Facts { healthy: healthy.clone(), ..self.host.facts(wanted) }, self.host.clock())
    }

    /// Begins what is wanted, once what was wanted before is out of the way.
    fn take_up(&mut self, given: &Given, facts: &Facts, clock: &Clock) {
        let Some(wanted) = &given.wanted else { return };
        if let Some(attempt) = &mut self.attempt {
            if attempt.is_at(wanted) {
                attempt.wanted.clone_from(wanted);
                return attempt.look(facts, clock);
            }
            if !attempt.give_way(facts, clock) {
                return;
            }
        }
        let needs_restart = self.host.facts(Some(&wanted.path)).needs_restart;
        let facts = Facts { needs_restart, ..facts.clone() };
        self.attempt = Some(Attempt::begin(wanted.clone(), given.generation, &facts, clock));
        (self.acted, self.well, self.drift) = (None, None, Vec::new());
    }

    /// Writes down where it is; false if that cannot be done, and so nothing else may.
    fn note(&mut self) -> bool {
        if self.attempt == self.noted {
            return true;
        }
        let Some(attempt) = &self.attempt else { return true };
        match record::write(&self.record, attempt, Keep::Durably) {
            Ok(()) => {
                tracing::info!(system = %attempt.wanted.path, step = attempt.step.words(), reason = attempt.reason, "activation");
                self.noted = Some(attempt.clone());
                self.complaint = None;
                true
            }
            Err(error) => {
                self.complaint = Some(format!("the activation does not go on: {error}"));
                false
            }
        }
    }

    /// Does what is due; false if there is nobody left to do it for.
    async fn act(&mut self, action: Action, step: Step, given: &mut watch::Receiver<Given>) -> bool {
        let Some(attempt) = &mut self.attempt else { return true };
        let limit = Duration::from_millis(attempt.patience(&self.host.clock()));
        let result = tokio::select! {
            result = self.host.carry_out(action, limit) => result,
            // What has changed nothing yet gives way at once.
            gone = other(given, attempt), if step.is_before_the_switch() => return !gone,
        };
        let failed = result.is_err();
        if let Err(error) = &result {
            tracing::warn!(step = step.words(), error);
        }
        let (facts, clock) = self.see(&given.borrow().healthy.clone());
        if let Some(attempt) = &mut self.attempt {
            attempt.done(result, &facts, &clock);
            self.acted = Some((step, attempt.tries)).filter(|_| !failed);
            (self.well, self.asked_health) = (None, None);
            if failed && attempt.step == step {
                sleep(PAUSE).await;
            }
        }
        true
    }

    fn pause(&self) -> Duration {
        match self.attempt.as_ref().map(|attempt| attempt.step) {
            Some(Step::Confirm | Step::Reboot | Step::RebootBack) => TICK,
            _ => DRIFT,
        }
    }

    async fn look(&mut self, given: &Given, contact: u64) {
        let (facts, clock) = self.see(&given.healthy);
        let Some(attempt) = &mut self.attempt else { return };
        attempt.look(&facts, &clock);
        match attempt.step {
            Step::Confirm => {
                let since = attempt.since;
                let well = well(attempt, given, contact, &clock);
                let health = attempt.wanted.health.clone();
                let well = match (well, health) {
                    (Ok(()), Some(health)) => self.ask(&health).await,
                    (well, _) => well,
                };
                let Some(attempt) = &mut self.attempt else { return };
                match well {
                    Ok(()) => {
                        let since = *self.well.get_or_insert(clock.uptime.max(since));
                        self.unwell = format!("does well; must do so for {}", attempt.wanted.healthy_for);
                        let enough = clock.uptime.saturating_sub(since) >= attempt.wanted.healthy_for.get();
                        attempt.judge(Ok(enough), &facts, &clock);
                    }
                    Err(reason) => {
                        self.well = None;
                        self.unwell.clone_from(&reason);
                        attempt.judge(Err(reason), &facts, &clock);
                    }
                }
            }
            // What is wanted no more is nobody's to put right.
            Step::Active if given.wanted.as_ref().is_some_and(|wanted| attempt.is_at(wanted)) => {
                self.put_right(&facts).await;
            }
            _ => {}
        }
    }

    /// Puts the question of the base's health check, if it is time to.
    async fn ask(&mut self, health: &Health) -> Result<(), String> {
        let Probe::Exec { command } = &health.probe else { return Ok(()) };
        if let Some((asked, answer)) = &self.asked_health
            && asked.elapsed() < health.interval.duration()
        {
            return answer.clone();
        }
        let answer = self.host.run(command, health.timeout.duration()).await.map(drop);
        self.asked_health = Some((Instant::now(), answer.clone()));
        answer
    }

    /// Looks whether the node is still as it was left, and puts right what is ours. Where someone has set the profile to
    /// another system, that is told and left.
    async fn put_right(&mut self, facts: &Facts) {
        let Some(attempt) = &self.attempt else { return };
        let path = attempt.wanted.path.clone();
        let mut drift = Vec::new();
        match &facts.profile {
            Some(profile) if profile.system == path => {}
            Some(profile) => drift.push(format!("someone has set the system profile to {}", profile.system)),
            None => drift.push("there is no system profile any more".to_owned()),
        }
        if drift.is_empty() && facts.running.as_ref() != Some(&path) {
            let running = facts.running.as_ref().map_or("no system that is known".to_owned(), ToString::to_string);
            drift.push(format!("{running} runs instead"));
            if self.healed.is_none_or(|healed| healed.elapsed() >= LONG_PAUSE) {
                self.healed = Some(Instant::now());
                let limit = attempt.wanted.confirm.duration();
                match self.host.carry_out(Action::Switch(path), limit).await {
                    Ok(()) => {
                        tracing::warn!("{running} ran instead of the node's system; switched back");
                        drift = vec![format!("{running} ran instead; switched back")];
                    }
                    Err(error) => drift.push(format!("it cannot be switched back: {error}")),
                }
            }
        }
        self.drift = drift;
    }

    fn tell(&self, facts: &Facts, reports: &watch::Sender<SystemReport>) {
        let mut new =
            SystemReport { running: facts.running.clone(), drift: self.drift.clone(), ..SystemReport::default() };
        if let Some(attempt) = &self.attempt {
            new.state = attempt.step.state();
            new.system = Some(attempt.wanted.path.clone());
            (new.asked, new.generation) = (attempt.wanted.asked, attempt.generation);
            new.message = match new.state {
                SystemState::Confirming => self.unwell.clone(),
                _ => attempt.reason.clone(),
            };
        }
        if let Some(complaint) = &self.complaint {
            new.message.clone_from(complaint);
        }
        reports.send_if_modified(|old| std::mem::replace(old, new.clone()) != new);
    }
}

/// Whether the node does well, as far as servers and replicas tell.
fn well(attempt: &Attempt, given: &Given, contact: u64, clock: &Clock) -> Result<(), String> {
    if contact < attempt.since || clock.uptime.saturating_sub(contact) > CONTACT {
        return Err("no server answers".into());
    }
    let served = attempt.served.iter().filter(|replica| given.planned.contains(replica));
    match served.clone().find(|replica| !given.healthy.contains(replica)) {
        Some(replica) => Err(format!("{replica} does not do well, and did before")),
        None => Ok(()),
    }
}

/// Returns when something else is wanted than `attempt`, or nobody is left to want anything; true if so.
async fn other(given: &mut watch::Receiver<Given>, attempt: &Attempt) -> bool {
    let at = |given: &Given| given.wanted.as_ref().is_none_or(|wanted| attempt.is_at(wanted));
    given.wait_for(|given| !at(given)).await.is_err()
}
