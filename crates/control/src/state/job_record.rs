use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use icefield_api::{JobAttempt, JobRun, RunCause, RunOutcome};
use icefield_plan::PlannedUnit;
use icefield_spec::{Job, Name, Revision};
use serde::{Deserialize, Serialize};

/// How many runs that have ended are told of.
const HISTORY: usize = 10;
/// How many attempts of a run are told of.
const ATTEMPTS: usize = 10;

/// What the cluster knows of a job beyond what the spec says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// What an attempt of each revision is that is declared, runs or is still placed.
    pub units: BTreeMap<Revision, PlannedUnit>,
    /// The declared revision.
    pub revision: Revision,
    /// The last revision of which a run has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<Revision>,
    /// The last revision of which a run was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Revision>,
    /// When the next run is due by the schedule, in milliseconds since 1970; `None` until that was reckoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How many runs were begun.
    pub runs: u64,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<JobRun>,
    /// The runs that have ended, newest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub history: VecDeque<JobRun>,
}

impl JobRecord {
    pub(super) fn first(name: &Name, job: &Job) -> Self {
        let revision = job.revision();
        Self {
            units: BTreeMap::from([(revision, planned(name, job))]),
            revision,
            succeeded: None,
            tried: None,
            next: None,
            runs: 0,
            run: None,
            history: VecDeque::new(),
        }
    }

    /// The attempt that has not ended, with the revision that it is of.
    pub fn open(&self) -> Option<(Revision, &JobAttempt)> {
        let run = self.run.as_ref()?;
        Some((run.revision, run.open()?))
    }

    /// Whether the declared revision has succeeded.
    pub fn is_done(&self) -> bool {
        self.succeeded == Some(self.revision)
    }

    /// Why the declared revision has failed, if it has and nothing more is tried.
    pub fn failure(&self) -> Option<&JobRun> {
        let last = self.history.back().filter(|_| self.run.is_none() && !self.is_done())?;
        (last.revision == self.revision && last.outcome == Some(RunOutcome::Failed)).then_some(last)
    }

    /// Takes up what the spec in force says of the job.
    pub(super) fn declare(&mut self, name: &Name, before: Option<&Job>, job: &Job) {
        self.revision = job.revision();
        self.units.entry(self.revision).or_insert_with(|| planned(name, job));
        if before.is_none_or(|before| before.schedule != job.schedule) {
            self.next = None;
        }
    }

    pub(super) fn begin(&mut self, cause: RunCause, at: u64) -> u64 {
        self.runs += 1;
        self.tried = Some(self.revision);
        self.run = Some(JobRun {
            number: self.runs,
            revision: self.revision,
            cause,
            asked: at,
            started: None,
            ended: None,
            outcome: None,
            message: String::new(),
            failures: 0,
            attempts: Vec::new(),
        });
        self.runs
    }

    /// Begins an attempt of the run under way.
    pub(super) fn attempt(&mut self, index: u32, at: u64) {
        let Some(run) = &mut self.run else { return };
        run.started.get_or_insert(at);
        run.attempts.push(JobAttempt {
            index,
            node: None,
            began: at,
            ended: None,
            outcome: None,
            exit_code: None,
            took: None,
            message: None,
        });
        if run.attempts.len() > ATTEMPTS {
            run.attempts.remove(0);
        }
    }

    /// The run under way has ended.
    pub(super) fn end(&mut self, outcome: RunOutcome, message: String, at: u64) {
        let Some(mut run) = self.run.take() else { return };
        if outcome == RunOutcome::Succeeded {
            self.succeeded = Some(run.revision);
        }
        (run.outcome, run.message, run.ended) = (Some(outcome), message, Some(at));
        self.history.push_back(run);
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// The node that attempt `index` is or was on, if that is still known.
    pub fn node_of(&self, index: u32) -> Option<&Name> {
        let runs = self.history.iter().chain(&self.run);
        let mut attempts = runs.flat_map(|run| &run.attempts);
        attempts.find(|attempt| attempt.index == index)?.node.as_ref()
    }
}

fn planned(name: &Name, job: &Job) -> PlannedUnit {
    PlannedUnit { service: name.clone(), unit: Arc::new(job.attempt_unit()) }
}
