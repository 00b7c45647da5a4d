use std::fmt;

use icefield_spec::{Millis, Name, Revision, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Stale;

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobStatus {
    /// Its name.
    pub name: Name,
    /// The declared revision.
    pub revision: Revision,
    /// Whether that revision has succeeded.
    pub succeeded: bool,
    /// The namespace whose quota its runs count for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// When it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// When it runs next by its schedule, in milliseconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// What the run under way waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<JobRun>,
    /// The run that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<JobRun>,
}

/// One run of a job: all its attempts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRun {
    /// Counts the runs of the job.
    pub number: u64,
    /// The revision that runs.
    pub revision: Revision,
    /// Why it runs.
    pub cause: RunCause,
    /// When it was decided on, in milliseconds since 1970 (UTC).
    pub asked: u64,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RunOutcome>,
    /// Why it ended so, where there is a reason to tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How many attempts have failed.
    pub failures: u32,
    /// The last attempts, newest last.
    pub attempts: Vec<JobAttempt>,
}

/// One attempt of a run: a process that is started once, on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobAttempt {
    /// Its number, which no other attempt in the cluster has: `migrate/7` is the name of the replica, also for its log.
    pub index: u32,
    /// The node that it is or was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// When it began, in milliseconds since 1970 (UTC).
    pub began: u64,
    /// When it was known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// The exit code, if the process ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How long the process ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Millis>,
    /// What there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunCause {
    /// The job was declared, or declared anew.
    Declared,
    /// Its time had come.
    Schedule,
    /// Someone asked for it.
    Asked,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// An attempt ended with exit code 0.
    Succeeded,
    /// The last attempt that it had failed, or its deadline is over.
    Failed,
    /// It was wanted no more.
    Stopped,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// With exit code 0.
    Succeeded,
    /// In another way.
    Failed,
    /// Its node was lost, or it had to give way.
    Lost,
    /// It was ended together with its run.
    Stopped,
}

/// The jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The jobs, by name.
    pub jobs: Vec<JobStatus>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// One job with its past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobHistory {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The job.
    pub job: JobStatus,
    /// The runs that have ended, newest first; the cluster keeps the last ten.
    pub runs: Vec<JobRun>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}

/// Runs a job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRunRequest {}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRunAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The number of the run.
    pub run: u64,
}

impl JobRun {
    /// The attempt that has not ended.
    pub fn open(&self) -> Option<&JobAttempt> {
        self.attempts.last().filter(|attempt| attempt.outcome.is_none())
    }
}

impl fmt::Display for RunCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Declared => "declared",
            Self::Schedule => "schedule",
            Self::Asked => "asked",
        })
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        })
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
        })
    }
}
