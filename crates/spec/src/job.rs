use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Dependency, Millis, Name, Revision, Rules, Schedule, Service, Unit};

/// Something that runs to its end: once for each revision of its unit, or on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The namespace whose quota its runs count for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// Where there is no room for all, what has lower priority gives way. From -1000 to 1000.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// What a run is. It has no health check: it is well when it ends well.
    pub unit: Unit,
    /// Where a run may and should be.
    #[serde(default)]
    pub rules: Rules,
    /// When it runs; without a schedule, once for each revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How often a run that fails is tried again.
    #[serde(default = "Job::default_retries")]
    pub retries: u32,
    /// The pause before the first new attempt; each one after it is twice as long, up to five minutes.
    #[serde(default = "Job::default_pause")]
    pub pause: Millis,
    /// How long a run may take with all its attempts, from when what it waits for is there.
    #[serde(default = "Job::default_deadline")]
    pub deadline: Millis,
    /// What must be done before a run starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Dependency>,
}

impl Job {
    /// The most that [`Self::retries`] may be.
    pub const MAX_RETRIES: u32 = 100;
    /// The longest that [`Self::deadline`] may be: thirty days.
    pub const MAX_DEADLINE: Millis = Millis::new(30 * 24 * 3_600_000);
    /// The longest pause between two attempts: five minutes.
    pub const LONGEST_PAUSE: Millis = Millis::new(300_000);

    /// Three.
    pub const fn default_retries() -> u32 {
        3
    }

    /// One second.
    pub const fn default_pause() -> Millis {
        Millis::new(1_000)
    }

    /// One hour.
    pub const fn default_deadline() -> Millis {
        Millis::new(3_600_000)
    }

    /// A job of which no more is known than its unit.
    pub fn new(unit: Unit) -> Self {
        Self {
            namespace: None,
            priority: 0,
            unit,
            rules: Rules::default(),
            schedule: None,
            retries: Self::default_retries(),
            pause: Self::default_pause(),
            deadline: Self::default_deadline(),
            after: Vec::new(),
        }
    }

    /// What an attempt is for the node that it is on: never started anew by itself, and never on two nodes at once.
    pub fn attempt_unit(&self) -> Unit {
        Unit { once: true, singleton: true, ..self.unit.clone() }
    }

    /// The revision: the hash of what an attempt is.
    pub fn revision(&self) -> Revision {
        self.attempt_unit().revision()
    }

    /// Its attempts as placement sees them: a service of one replica at most.
    pub fn as_service(&self) -> Service {
        Service {
            namespace: self.namespace.clone(),
            priority: self.priority,
            rules: self.rules.clone(),
            ..Service::new(1, self.attempt_unit())
        }
    }

    /// The pause after so many failed attempts of a run.
    pub fn pause_after(&self, failures: u32) -> Millis {
        let factor = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        Millis::new(self.pause.get().saturating_mul(factor)).min(Self::LONGEST_PAUSE)
    }
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bytes, Cpu, Run};

    #[test]
    fn pauses_double_up_to_the_longest() {
        let run = Run::Exec { command: vec!["true".into()] };
        let job = Job::new(Unit::new(run, Cpu::from_millis(100), Bytes::new(1 << 20)));
        let pauses = [0, 1, 2, 3, 9, 10, 100].map(|failures| job.pause_after(failures).get());
        assert_eq!(pauses, [1_000, 1_000, 2_000, 4_000, 256_000, 300_000, 300_000]);
        assert!(job.attempt_unit().once && job.revision() != job.unit.revision());
    }
}
