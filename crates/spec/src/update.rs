use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Millis;

/// How a service goes from one revision to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// In which way.
    pub kind: Strategy,
    /// How many replicas may be down at once by the rollout's doing. Of blue/green it says nothing: none is.
    pub max_unavailable: u32,
    /// How many replicas there may be beyond the declared number while it goes on. Of blue/green it says nothing: there
    /// are twice as many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_surge: u32,
    /// How long a new replica must be healthy before it counts.
    pub healthy_for: Millis,
    /// How long one step may take before the rollout has failed.
    pub deadline: Millis,
    /// Whether a failed rollout goes back to the last good revision.
    pub rollback: bool,
}

/// The ways to go from one revision to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Strategy {
    /// A few replicas at a time; each must prove itself before the next.
    #[default]
    Rolling,
    /// First a few replicas, which must stand the test; then the rest a few at a time.
    Canary {
        /// How many are first.
        share: Share,
        /// What is waited for once they have proved themselves.
        wait: Wait,
    },
    /// All new replicas beside the old ones, unknown to discovery until all have proved themselves; then it switches.
    BlueGreen {
        /// What is waited for once they have proved themselves.
        wait: Wait,
        /// How long the old ones run on after the switch, so that going back is a switch too.
        keep: Millis,
    },
}

/// A part of a service's replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred, and at least one.
    Percent(u32),
}

/// What a rollout waits for before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// So much time.
    Hold(Millis),
    /// A person who says so.
    Confirm,
}

impl Update {
    /// Whether it starts replicas beyond the declared number.
    pub const fn needs_more(&self) -> bool {
        self.max_surge > 0 || matches!(self.kind, Strategy::BlueGreen { .. })
    }

    /// Whether it cannot go on without replicas beyond the declared number.
    pub const fn depends_on_more(&self) -> bool {
        self.max_unavailable == 0 || matches!(self.kind, Strategy::BlueGreen { .. })
    }

    /// How many replicas beyond `replicas` there may be while it goes on.
    pub fn surge(&self, replicas: u32) -> u32 {
        match self.kind {
            Strategy::BlueGreen { .. } => replicas,
            Strategy::Rolling | Strategy::Canary { .. } => self.max_surge,
        }
    }

    /// How many replicas may be down at once by its doing.
    pub const fn unavailable(&self) -> u32 {
        match self.kind {
            Strategy::BlueGreen { .. } => 0,
            Strategy::Rolling | Strategy::Canary { .. } => self.max_unavailable,
        }
    }
}

impl Default for Update {
    fn default() -> Self {
        Self {
            kind: Strategy::Rolling,
            max_unavailable: 1,
            max_surge: 0,
            healthy_for: Millis::new(1_000),
            deadline: Millis::new(60_000),
            rollback: true,
        }
    }
}

impl Share {
    /// How many of `replicas` that is: at least one, and not more than there are.
    pub fn of(self, replicas: u32) -> u32 {
        let count = match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let count = (u64::from(replicas) * u64::from(percent)).div_ceil(100);
                u32::try_from(count).unwrap_or(u32::MAX)
            }
        };
        count.max(1).min(replicas)
    }
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_there_were_others_is_a_rolling_update() {
        let text = r#"{"kind":"rolling","max_unavailable":2,"healthy_for":"5s","deadline":"1m","rollback":false}"#;
        let update: Update = serde_json::from_str(text).unwrap();
        assert_eq!((update.kind, update.max_unavailable, update.max_surge), (Strategy::Rolling, 2, 0));
        assert_eq!(serde_json::to_string(&update).unwrap(), text);
    }

    #[test]
    fn a_share_is_at_least_one_and_at_most_all() {
        let of = |share: Share| [1, 5, 10, 1_000].map(|replicas| share.of(replicas));
        assert_eq!(of(Share::Percent(10)), [1, 1, 1, 100]);
        assert_eq!(of(Share::Percent(11)), [1, 1, 2, 110]);
        assert_eq!(of(Share::Count(3)), [1, 3, 3, 3]);
        assert_eq!(of(Share::Count(0)), [1, 1, 1, 1]);
    }
}
