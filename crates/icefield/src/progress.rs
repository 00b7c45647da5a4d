use icefield_api::{ReplicaState, RolloutState, ServiceStatus, Status};
use icefield_spec::Revision;

/// How far a cluster is on its way to what a spec declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is there.
    Done,
    /// It is on its way; what each service waits for, a line each.
    Waiting(Vec<String>),
    /// A rollout has failed; why, a line each.
    Failed(Vec<String>),
    /// Another spec was put in force meanwhile.
    Superseded,
}

/// How far the cluster of `status` is on its way to the spec with this revision. Replicas that fit nowhere are waited
/// for unless `allow_unplaced`.
pub(crate) fn progress(status: &Status, revision: &Revision, allow_unplaced: bool) -> Progress {
    if status.revision.as_ref() != Some(revision) {
        return Progress::Superseded;
    }
    let mut waiting = Vec::new();
    let mut failed = Vec::new();
    for service in &status.services {
        match service_progress(service, allow_unplaced) {
            Some(Ok(line)) => waiting.push(line),
            Some(Err(line)) => failed.push(line),
            None => {}
        }
    }
    // A rollback is let come to its end, so that what is said of it is the whole story.
    match (waiting.is_empty(), failed.is_empty()) {
        (true, true) => Progress::Done,
        (true, false) => Progress::Failed(failed),
        (false, _) => Progress::Waiting(waiting),
    }
}

/// What a service waits for (`Ok`), or how it has failed (`Err`); `None` if it is as declared.
fn service_progress(service: &ServiceStatus, allow_unplaced: bool) -> Option<Result<String, String>> {
    let name = &service.name;
    if let Some(rollout) = &service.rollout {
        match rollout.state {
            RolloutState::Failed => return Some(Err(format!("{name}: {}", rollout.message))),
            RolloutState::RolledBack => {
                return Some(Err(format!("{name}: rolled back, because {}", rollout.message)));
            }
            RolloutState::RollingBack => return Some(Ok(format!("{name}: rolling back, because {}", rollout.message))),
            RolloutState::Progressing | RolloutState::Done => {}
        }
    }
    let unplaced = service.replicas.iter().filter(|replica| replica.node.is_none()).count();
    let wanted = service.desired as usize - if allow_unplaced { unplaced.min(service.desired as usize) } else { 0 };
    let rolled = service.rollout.as_ref().is_none_or(|rollout| rollout.state == RolloutState::Done);
    if service.updated as usize >= wanted && rolled && service.replicas.len() <= service.desired as usize {
        return None;
    }
    let mut line = format!("{name}: {}/{} of {} healthy", service.updated, service.desired, service.revision.short());
    if let Some(slow) = service.replicas.iter().find(|replica| replica.state != ReplicaState::Healthy) {
        line.push_str(&format!(", {name}/{} is {}", slow.index, slow.state));
        if let Some(message) = &slow.message {
            line.push_str(&format!(" ({message})"));
        }
    } else if let Some(rollout) = service.rollout.as_ref().filter(|rollout| !rollout.message.is_empty()) {
        line.push_str(&format!(", {}", rollout.message));
    }
    Some(Ok(line))
}
