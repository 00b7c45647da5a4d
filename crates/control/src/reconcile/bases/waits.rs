use icefield_api::{RolloutPhase, SystemState};
use icefield_spec::{Strategy, Wait};

use super::view::{BaseView, Standing};

/// What the rollout of a base that is under way waits for, in words.
pub(crate) fn base_waits_for(view: &BaseView<'_>) -> Option<String> {
    let name = view.name;
    let rollout = &view.record.rollout;
    if rollout.paused.is_some() {
        return Some(format!("paused; `icefield rollout resume base/{name}` has it go on"));
    }
    if rollout.phase == RolloutPhase::Held {
        return Some(match view.update.kind {
            Strategy::Canary { wait: Wait::Hold(time), .. } => {
                format!("what was tried does well; goes on after {time}")
            }
            _ => format!("what was tried does well; `icefield rollout confirm base/{name}` has it go on"),
        });
    }
    if view.members.is_empty() {
        return Some("waits for a node to join".into());
    }
    if let Some(member) = view.members.iter().find(|member| member.standing == Standing::UnderWay) {
        let node = member.node;
        let left = view.state.placed.on_node(node.as_str()).count();
        return Some(match member.report {
            Some(report) if report.state == SystemState::NeedsReboot && left > 0 => {
                format!("waits for {node} to be drained for its reboot: {left} left")
            }
            Some(report) if report.state == SystemState::Active => match view.unwell(member) {
                Some(replica) => {
                    format!("waits for {replica} on {node} to have been healthy for {}", view.update.healthy_for)
                }
                None => format!("waits for {node}"),
            },
            Some(report) if report.message.is_empty() => format!("waits for {node} ({})", report.state),
            Some(report) => format!("waits for {node} ({}: {})", report.state, report.message),
            None => format!("waits for {node} to take it up"),
        });
    }
    if !view.seen.health().held.is_empty() {
        return Some("waits until it is known what became of the nodes that went silent together".into());
    }
    let unknown = view.members.iter().find(|member| member.standing == Standing::Unknown)?;
    Some(format!("waits to hear of {}", unknown.node))
}
