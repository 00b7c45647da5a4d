use icefield_api::RunCause;
use icefield_spec::{Millis, Revision};
use serde::{Deserialize, Serialize};

/// How a job goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum JobStep {
    /// Its next run is due then, in milliseconds since 1970; what was due before is passed over, if `skips` says so.
    Next {
        /// When.
        due: u64,
        /// Why a run that was due is not made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skips: Option<String>,
    },
    /// A run begins.
    Start {
        /// Why.
        cause: RunCause,
        /// The revision that it is to be of; refused if that is not the declared one any more.
        revision: Revision,
        /// Of one by the schedule, when the next one is due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    },
    /// The run under way makes an attempt; refused while a node may still run an earlier one.
    Attempt {
        /// The number of the run.
        run: u64,
    },
    /// An attempt has ended, as its node says.
    Ended {
        /// The attempt.
        index: u32,
        /// Whether it ended well.
        succeeded: bool,
        /// Its exit code, if it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// How long it ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took: Option<Millis>,
        /// How it ended, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The run under way has failed, whatever its attempt does; that is ended.
    Fail {
        /// The number of the run.
        run: u64,
        /// Why.
        reason: String,
    },
}
