use std::collections::BTreeSet;

use icefield_api::{AttemptOutcome, EventKind, RunCause, RunOutcome};
use icefield_placement::{Assignment, ReplicaId};
use icefield_plan::PlannedUnit;
use icefield_spec::{Name, Revision, Spec};

use super::{Effect, JobRecord, JobStep, State};

impl State {
    pub(super) fn job(&mut self, index: u64, at: u64, name: &Name, step: JobStep) -> Result<Effect, String> {
        let Some(record) = self.jobs.get_mut(name) else { return Err(format!("there is no job {name}")) };
        let declared = self.spec.as_ref().and_then(|spec| spec.jobs.get(name));
        let Some(declared) = declared else { return Err(format!("the job {name} is declared no more")) };
        let same_run = |run: u64| record.run.as_ref().is_some_and(|own| own.number == run);
        match step {
            JobStep::Next { due, skips } => {
                record.next = Some(due);
                if let Some(reason) = skips {
                    self.tell(at, EventKind::Job, format!("job {name}"), reason);
                }
                Ok(Effect::Noted)
            }
            JobStep::Start { cause, revision, next } => {
                if let Some(run) = &record.run {
                    return Err(format!("run {} of the job {name} is still under way", run.number));
                }
                if record.revision != revision {
                    return Err(format!("{name} is at revision {}, not {}", record.revision.short(), revision.short()));
                }
                record.next = next.or(record.next);
                let run = record.begin(cause, at);
                let why = match cause {
                    RunCause::Declared => format!("revision {} was declared", revision.short()),
                    RunCause::Schedule => "its time has come".into(),
                    RunCause::Asked => "someone asked for it".into(),
                };
                self.tell(at, EventKind::Job, format!("job {name}"), format!("run {run} begins: {why}"));
                Ok(Effect::Basis)
            }
            JobStep::Attempt { run } => {
                if !same_run(run) || record.open().is_some() {
                    return Err(format!("run {run} of the job {name} makes no attempt now"));
                }
                if let Some((replica, node)) = self.holders.of_service(name).next() {
                    return Err(format!("{node} may still run {replica}"));
                }
                if self.placed.has_service(name.as_str()) {
                    return Err(format!("a replica of {name} is still placed"));
                }
                record.attempt(self.attempts, at);
                self.attempts += 1;
                Ok(Effect::Basis)
            }
            JobStep::Ended { index: attempt, succeeded, exit_code, took, message } => {
                let retries = declared.retries;
                let run = record.run.as_mut();
                let known = run.and_then(|run| run.attempts.last_mut().filter(|last| last.index == attempt));
                // That a node was lost says nothing of how its attempt ended; whoever comes back may tell.
                let told = known.filter(|last| match last.outcome {
                    None => true,
                    Some(AttemptOutcome::Lost) => succeeded,
                    Some(_) => false,
                });
                let Some(last) = told else { return Err(format!("{name}/{attempt} has ended already")) };
                let was_lost = last.outcome.is_some();
                let outcome = if succeeded { AttemptOutcome::Succeeded } else { AttemptOutcome::Failed };
                (last.outcome, last.ended) = (Some(outcome), Some(at));
                (last.exit_code, last.took, last.message) = (exit_code, took, message.clone());
                let replica = ReplicaId::new(name.clone(), attempt);
                self.give_up(index, &replica);
                let said = message.unwrap_or_else(|| outcome.to_string());
                if succeeded {
                    self.end_run(at, name, RunOutcome::Succeeded, String::new());
                } else if !was_lost {
                    self.fail_attempt(at, name, &format!("{name}/{attempt} {said}"), retries);
                }
                Ok(Effect::Basis)
            }
            JobStep::Fail { run, reason } => {
                if !same_run(run) {
                    return Err(format!("run {run} of the job {name} is over"));
                }
                self.end_run(at, name, RunOutcome::Failed, reason);
                Ok(Effect::Basis)
            }
        }
    }

    /// An attempt surely runs no more, and never will again.
    fn give_up(&mut self, index: u64, replica: &ReplicaId) {
        self.holders.forget(replica);
        if let Some(node) = self.placed.get(replica).map(|assignment| assignment.node.clone()) {
            self.placed.remove(index, replica);
            self.refresh([&node]);
        }
    }

    /// Counts a failed attempt; the last one that a run has is its end.
    fn fail_attempt(&mut self, at: u64, name: &Name, reason: &str, retries: u32) {
        let Some(run) = self.jobs.get_mut(name).and_then(|record| record.run.as_mut()) else { return };
        run.failures += 1;
        if run.failures > retries {
            let attempts = crate::count::count(run.failures.into(), "attempt");
            self.end_run(at, name, RunOutcome::Failed, format!("{reason}, after {attempts}"));
        } else {
            let left = retries + 1 - run.failures;
            let left = crate::count::count(left.into(), "attempt");
            self.tell(at, EventKind::Job, format!("job {name}"), format!("{reason}; {left} left"));
        }
    }

    /// Ends the run under way, and with it its attempt, which placement takes away then.
    fn end_run(&mut self, at: u64, name: &Name, outcome: RunOutcome, reason: String) {
        let Some(record) = self.jobs.get_mut(name) else { return };
        let Some(run) = &mut record.run else { return };
        if let Some(open) = run.attempts.last_mut().filter(|last| last.outcome.is_none()) {
            (open.outcome, open.ended) = (Some(AttemptOutcome::Stopped), Some(at));
        }
        let number = run.number;
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        record.end(outcome, reason, at);
        self.tell(at, EventKind::Job, format!("job {name}"), format!("run {number} {outcome}{because}"));
        self.tidy_job(name);
    }

    /// Takes note that a replica is put somewhere, if it is an attempt.
    pub(super) fn note_attempt(&mut self, replica: &ReplicaId, to: &Assignment) {
        let record = self.jobs.get_mut(&replica.service);
        let last = record.and_then(|record| record.run.as_mut()?.attempts.last_mut());
        if let Some(last) = last.filter(|last| last.index == replica.index) {
            last.node = Some(to.node.clone());
        }
    }

    /// Takes note that a replica was taken from its node: an attempt that had not ended is lost.
    pub(super) fn lose_attempt(&mut self, at: u64, replica: &ReplicaId, reason: &str) {
        let name = &replica.service;
        let Some(record) = self.jobs.get_mut(name) else { return };
        let last = record.run.as_mut().and_then(|run| run.attempts.last_mut());
        let open = last.filter(|last| last.index == replica.index && last.outcome.is_none());
        if let Some(open) = open {
            (open.outcome, open.ended) = (Some(AttemptOutcome::Lost), Some(at));
            open.message = Some(reason.to_owned());
            let retries = self.spec.as_ref().and_then(|spec| spec.jobs.get(name)).map_or(0, |job| job.retries);
            self.fail_attempt(at, name, &format!("{replica} was lost: {reason}"), retries);
        }
        self.tidy_job(name);
    }

    /// Takes up the jobs of the spec in force; `before` is the one before it.
    pub(super) fn declare_jobs(&mut self, at: u64, before: Option<&Spec>) {
        let Some(spec) = self.spec.clone() else { return };
        for (name, job) in &spec.jobs {
            let declared_before = before.and_then(|before| before.jobs.get(name));
            match self.jobs.get_mut(name) {
                Some(record) => record.declare(name, declared_before, job),
                None => drop(self.jobs.insert(name.clone(), JobRecord::first(name, job))),
            }
        }
        let names: Vec<Name> = self.jobs.keys().cloned().collect();
        for name in names {
            let Some(record) = self.jobs.get(&name) else { continue };
            let other = record.run.as_ref().is_some_and(|run| run.revision != record.revision);
            match spec.jobs.get(&name) {
                None => self.end_run(at, &name, RunOutcome::Stopped, "the job is declared no more".into()),
                Some(job) if other && job.schedule.is_none() => {
                    self.end_run(at, &name, RunOutcome::Stopped, "another revision was declared".into());
                }
                Some(_) => {}
            }
            self.tidy_job(&name);
        }
    }

    /// Drops what nothing needs any more: units, and the record of a job that is gone.
    fn tidy_job(&mut self, name: &Name) {
        let declared = self.spec.as_ref().is_some_and(|spec| spec.jobs.contains_key(name));
        let placed = self.placed.placement().service(name.as_str()).map(|(_, assignment)| assignment.revision);
        let mut needed: BTreeSet<Revision> = placed.collect();
        if !declared && needed.is_empty() {
            self.jobs.remove(name);
            return;
        }
        let Some(record) = self.jobs.get_mut(name) else { return };
        needed.insert(record.revision);
        needed.extend(record.run.as_ref().map(|run| run.revision));
        record.units.retain(|revision, _| needed.contains(revision));
    }

    /// What a replica of a service, or an attempt of a job, is at `revision`.
    pub(crate) fn unit(&self, name: &Name, revision: Revision) -> Option<&PlannedUnit> {
        let service = self.services.get(name).and_then(|record| record.units.get(&revision));
        service.or_else(|| self.jobs.get(name)?.units.get(&revision))
    }

    /// Whether `replica` is the attempt that a declared job is to make now.
    pub(super) fn declares_attempt(&self, replica: &ReplicaId) -> bool {
        let declared = self.spec.as_ref().is_some_and(|spec| spec.jobs.contains_key(&replica.service));
        let open = self.jobs.get(&replica.service).and_then(JobRecord::open);
        declared && open.is_some_and(|(_, attempt)| attempt.index == replica.index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use icefield_api::{AttemptOutcome, RunCause};
    use icefield_placement::{Assignment, Change, ChangeKind};
    use icefield_spec::Job;

    use super::*;
    use crate::Command;
    use crate::state::sample::{Sample, name, replica, spec, unit};
    use crate::state::{Applied, Author, Proposal};

    /// The job "move" of the namespace "shop", with a run under way.
    fn begun() -> Sample {
        let mut declared = spec(&["n1", "n2"], &[]);
        declared.jobs.insert(name("move"), Job { namespace: Some(name("shop")), ..Job::new(unit("a")) });
        let mut sample = Sample::with(&["n1", "n2"], &declared);
        let revision = sample.state.jobs["move"].revision;
        sample.done(step(JobStep::Start { cause: RunCause::Declared, revision, next: None }));
        sample
    }

    fn step(step: JobStep) -> Command {
        Command::Job { at: 5, job: name("move"), step }
    }

    fn ended(index: u32, succeeded: bool) -> Command {
        step(JobStep::Ended { index, succeeded, exit_code: Some(0), took: None, message: None })
    }

    fn put(sample: &mut Sample, text: &str, node: &str) -> Applied {
        let revision = sample.state.jobs["move"].revision;
        let to = Assignment { node: name(node), revision, ports: Default::default() };
        let change = Change { replica: replica(text), kind: ChangeKind::Place { to }, reason: "new".into() };
        sample.command(Command::Place { at: 5, seen: sample.state.version, changes: vec![change] })
    }

    fn refusal(applied: Applied) -> String {
        match applied {
            Applied::Refused(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_attempt_begins_while_a_node_may_run_an_earlier_one() {
        let mut sample = begun();
        sample.done(step(JobStep::Attempt { run: 1 }));
        assert_eq!(refusal(put(&mut sample, "move/1", "n1")), "move/1 is not declared");
        assert!(matches!(put(&mut sample, "move/0", "n1"), Applied::Done(_)));
        assert!(refusal(sample.command(step(JobStep::Attempt { run: 1 }))).contains("makes no attempt now"));
        sample.remove("move/0");
        let attempt = &sample.state.jobs["move"].run.as_ref().unwrap().attempts[0];
        assert_eq!((attempt.outcome, attempt.node.as_ref()), (Some(AttemptOutcome::Lost), Some(&name("n1"))));
        assert_eq!(refusal(sample.command(step(JobStep::Attempt { run: 1 }))), "n1 may still run move/0");
        let (at, reason) = (6, "it has stopped it".into());
        sample.done(Command::Release { at, replica: replica("move/0"), node: name("n1"), reason });
        sample.done(step(JobStep::Attempt { run: 1 }));
        assert_eq!(refusal(sample.command(ended(0, true))), "move/0 has ended already", "the next one has begun");
        let text = serde_json::to_string(&sample.state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap().jobs, sample.state.jobs);
    }

    #[test]
    fn an_attempt_that_ended_leaves_its_node_at_once() {
        let mut sample = begun();
        sample.done(step(JobStep::Attempt { run: 1 }));
        put(&mut sample, "move/0", "n1");
        let generation = sample.generation("n1");
        sample.done(ended(0, true));
        assert!(sample.state.placed.get(&replica("move/0")).is_none() && sample.state.holders.is_empty());
        assert!(sample.generation("n1") > generation);
        assert!(sample.state.jobs["move"].is_done());
        assert!(refusal(sample.command(ended(0, false))).contains("has ended already"));
    }

    #[test]
    fn only_jobs_of_ones_own_namespaces_can_be_run() {
        let mut sample = begun();
        let ask = |namespace: &str| {
            let namespaces: BTreeSet<_> = [name(namespace)].into();
            let author = Author {
                at: 5,
                who: "user anna".into(),
                from: String::new(),
                operation: "job-run".into(),
                subject: String::new(),
                namespaces,
            };
            Proposal { author: Some(author), ..Proposal::from(step(JobStep::Fail { run: 1, reason: "asked".into() })) }
        };
        let refused = "user anna may run jobs of the namespaces bank alone";
        assert_eq!(refusal(sample.command(ask("bank"))), refused);
        assert!(matches!(sample.command(ask("shop")), Applied::Done(_)));
    }
}
