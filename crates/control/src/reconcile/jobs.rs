use icefield_api::{AttemptOutcome, JobRun, ReplicaState, RunCause};
use icefield_placement::ReplicaId;
use icefield_spec::{Job, Millis, Name};

use super::dependencies::unmet;
use crate::observe::Observations;
use crate::state::{JobRecord, JobStep};
use crate::{Command, State};

/// The next step of each job that can go on.
pub(super) fn due(state: &State, seen: &Observations, now: u64) -> Vec<Command> {
    let Some(spec) = state.spec.as_deref() else { return Vec::new() };
    let due = spec.jobs.iter().filter_map(|(name, job)| {
        let record = state.jobs.get(name)?;
        let step = View { state, seen, name, job, record, now }.step()?;
        Some(Command::Job { at: now, job: name.clone(), step })
    });
    due.collect()
}

/// What the run under way of a job waits for; `None` if it waits for nothing but its attempt.
pub(crate) fn run_waits_for(state: &State, name: &Name) -> Option<String> {
    let job = state.spec.as_deref()?.jobs.get(name)?;
    let record = state.jobs.get(name)?;
    let run = record.run.as_ref().filter(|run| run.open().is_none())?;
    if let Some(unmet) = unmet(state, &job.after).filter(|_| run.started.is_none()) {
        return Some(format!("waits for {}", unmet.words()));
    }
    if let Some((replica, node)) = state.holders.of_service(name).next() {
        return Some(format!("waits until {node} has surely stopped {replica}"));
    }
    (run.failures > 0).then(|| format!("tries again after a pause of {}", job.pause_after(run.failures)))
}

/// When a run makes its next attempt.
fn resumes(job: &Job, run: &JobRun) -> u64 {
    let ended = run.attempts.last().and_then(|last| last.ended);
    ended.map_or(0, |ended| ended.saturating_add(job.pause_after(run.failures).get()))
}

/// One job, with all that its next step depends on.
///
/// The rules: an attempt is begun only while no node may still run an earlier one, and is never begun again. One that is
/// lost with its node has failed, unless the node comes back in time and tells that it ended well.
struct View<'a> {
    state: &'a State,
    seen: &'a Observations,
    name: &'a Name,
    job: &'a Job,
    record: &'a JobRecord,
    now: u64,
}

impl View<'_> {
    fn step(&self) -> Option<JobStep> {
        if let Some(ended) = self.record.run.as_ref().and_then(|run| self.ended(run)) {
            return Some(ended);
        }
        if let Some(scheduled) = self.scheduled() {
            return Some(scheduled);
        }
        match &self.record.run {
            Some(run) => self.goes_on(run),
            None if self.job.schedule.is_none() && self.record.tried != Some(self.record.revision) => {
                let revision = self.record.revision;
                Some(JobStep::Start { cause: RunCause::Declared, revision, next: None })
            }
            None => None,
        }
    }

    /// What the node of the last attempt says of its end.
    fn ended(&self, run: &JobRun) -> Option<JobStep> {
        let last = run.attempts.last()?;
        if !matches!(last.outcome, None | Some(AttemptOutcome::Lost)) {
            return None;
        }
        let replica = ReplicaId::new(self.name.clone(), last.index);
        let report = self.seen.report(last.node.as_ref()?.as_str(), &replica)?;
        let succeeded = match report.state {
            _ if report.revision != run.revision => return None,
            ReplicaState::Completed => true,
            ReplicaState::Failed if last.outcome.is_none() => false,
            _ => return None,
        };
        let (exit_code, took) = report.exit.map_or((None, None), |exit| (exit.code, Some(exit.took)));
        Some(JobStep::Ended { index: last.index, succeeded, exit_code, took, message: report.message.clone() })
    }

    /// What the schedule asks for now.
    fn scheduled(&self) -> Option<JobStep> {
        let schedule = self.job.schedule.as_ref()?;
        if self.record.next.is_some_and(|next| next > self.now) {
            return None;
        }
        // All that was missed meanwhile, with no server to lead, is made up for by one run.
        let due = schedule.timetable().ok()?.after(self.now)?;
        if self.record.next.is_none() {
            return Some(JobStep::Next { due, skips: None });
        }
        let revision = self.record.revision;
        Some(match &self.record.run {
            None => JobStep::Start { cause: RunCause::Schedule, revision, next: Some(due) },
            Some(run) => {
                let skips = Some(format!("a run that was due is skipped: run {} is still under way", run.number));
                JobStep::Next { due, skips }
            }
        })
    }

    fn goes_on(&self, run: &JobRun) -> Option<JobStep> {
        let overdue = |started: u64| started.saturating_add(self.job.deadline.get()) <= self.now;
        if run.started.is_some_and(overdue) {
            return Some(JobStep::Fail { run: run.number, reason: late(self.job.deadline) });
        }
        let waits = run.open().is_some()
            || resumes(self.job, run) > self.now
            || run.started.is_none() && unmet(self.state, &self.job.after).is_some()
            || self.state.holders.of_service(self.name).next().is_some()
            || self.state.placed.has_service(self.name.as_str());
        (!waits).then_some(JobStep::Attempt { run: run.number })
    }
}

fn late(deadline: Millis) -> String {
    format!("it was not done within {deadline}")
}
