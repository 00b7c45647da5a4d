use icefield_api::{RolloutEntry, RolloutHistory, RolloutPhase, RolloutStatus, ServiceStatus};
use icefield_spec::Revision;

use crate::render::Table;
use crate::render::event::time;
use crate::render::rollout_state::rollout_state;

/// A line for the rollout of each service.
pub(crate) fn rollouts(services: &[ServiceStatus]) -> String {
    let mut table = Table::new(["SERVICE", "ROLLOUT", "PHASE", "FROM", "TO", "UPDATED", "SINCE", "NOTE"]);
    for service in services {
        let Some(rollout) = &service.rollout else { continue };
        table.row([
            service.name.to_string(),
            rollout_state(rollout.state).to_string(),
            phase(rollout).to_owned(),
            short(rollout.from.as_ref()),
            rollout.to.short(),
            format!("{}/{}", service.updated, service.desired),
            if rollout.since == 0 { String::new() } else { time(rollout.since, "%H:%M:%S") },
            rollout.message.clone(),
        ]);
    }
    table.render()
}

pub(super) fn phase(rollout: &RolloutStatus) -> &'static str {
    match rollout.phase {
        _ if rollout.paused => "paused",
        None => "",
        Some(RolloutPhase::Waiting) => "waiting",
        Some(RolloutPhase::Trial) => "trial",
        Some(RolloutPhase::Held) => "held",
        Some(RolloutPhase::Rolling) => "rolling",
        Some(RolloutPhase::Switched) => "switched",
    }
}

/// A line for each of a service's last rollouts.
pub(crate) fn rollout_history(history: &RolloutHistory) -> String {
    let mut table = Table::new(["STARTED", "TOOK", "FROM", "TO", "OUTCOME", "WHY"]);
    for entry in &history.rollouts {
        table.row([
            time(entry.started, "%Y-%m-%d %H:%M:%S"),
            took(entry),
            short(entry.from.as_ref()),
            entry.to.short(),
            rollout_state(entry.state).to_string(),
            entry.message.clone(),
        ]);
    }
    let kept: Vec<String> = history.kept.iter().map(Revision::short).collect();
    match kept.as_slice() {
        [] => table.render(),
        kept => format!("{}\nkept for undo --to: {}\n", table.render(), kept.join(", ")),
    }
}

pub(super) fn took(entry: &RolloutEntry) -> String {
    let Some(ended) = entry.ended else { return String::new() };
    format!("{:.1} s", ended.saturating_sub(entry.started) as f64 / 1e3)
}

fn short(revision: Option<&Revision>) -> String {
    revision.map(Revision::short).unwrap_or_default()
}
