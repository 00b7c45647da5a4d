use icefield_api::{
    BaseStatus, JobStatus, ReplicaState, RolloutPhase, RolloutState, RolloutStatus, RunOutcome, ServiceStatus, Status,
};
use icefield_spec::Revision;

use crate::render::time;

/// How far a cluster is on its way to what a spec declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is there, but for replicas that fit nowhere.
    Done {
        /// How many those are; 0 unless they are allowed.
        unplaceable: usize,
    },
    /// It is on its way; what each service waits for, a line each.
    Waiting(Vec<String>),
    /// It goes on only if someone says so; what each service waits for, a line each.
    Asking(Vec<String>),
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
    let (mut waiting, mut asking, mut following) = (Vec::new(), 0, 0);
    let mut failed = Vec::new();
    let mut unplaceable = 0;
    for service in &status.services {
        let without_place = if allow_unplaced { fits_nowhere(service) } else { 0 };
        unplaceable += without_place;
        match service_progress(service, without_place) {
            Some(Ok(line)) => {
                let phase = service.rollout.as_ref().and_then(|rollout| rollout.phase);
                following += usize::from(phase == Some(RolloutPhase::Waiting));
                asking += usize::from(service.rollout.as_ref().is_some_and(waits_for_someone));
                waiting.push(line);
            }
            Some(Err(line)) => failed.push(line),
            None => {}
        }
    }
    for base in &status.bases {
        match base_progress(base) {
            Some(Ok(line)) => {
                asking += usize::from(waits_for_someone(&base.rollout));
                waiting.push(line);
            }
            Some(Err(line)) => failed.push(line),
            None => {}
        }
    }
    for job in status.jobs.iter().filter(|job| job.schedule.is_none() && !job.succeeded) {
        match job_progress(job) {
            Ok(line) => waiting.push(line),
            Err(line) => failed.push(line),
        }
    }
    // A rollback is let come to its end, so that what is said of it is the whole story.
    match (waiting.is_empty(), failed.is_empty()) {
        (true, true) => Progress::Done { unplaceable },
        (true, false) => Progress::Failed(failed),
        // What comes after something that has failed never begins.
        (false, false) if following == waiting.len() => Progress::Failed([failed, waiting].concat()),
        (false, true) if asking == waiting.len() => Progress::Asking(waiting),
        (false, _) => Progress::Waiting(waiting),
    }
}

/// How many replicas the servers have tried to place and could not. One that is placed nowhere without a reason has not
/// been tried yet.
fn fits_nowhere(service: &ServiceStatus) -> usize {
    service.replicas.iter().filter(|replica| replica.node.is_none() && replica.message.is_some()).count()
}

/// Whether a rollout takes no step before a person has it take one.
fn waits_for_someone(rollout: &RolloutStatus) -> bool {
    rollout.paused || (rollout.phase == Some(RolloutPhase::Held) && rollout.message.contains("rollout confirm"))
}

/// What a service waits for (`Ok`), or how it has failed (`Err`); `None` if it is as declared.
fn service_progress(service: &ServiceStatus, without_place: usize) -> Option<Result<String, String>> {
    let name = &service.name;
    if let Some(rollout) = &service.rollout {
        match rollout.state {
            RolloutState::Failed => return Some(Err(format!("{name}: {}", rollout.message))),
            RolloutState::RolledBack => {
                return Some(Err(format!("{name}: rolled back, because {}", rollout.message)));
            }
            RolloutState::RollingBack => {
                return Some(Ok(format!("{name}: rolling back, because {}{}", rollout.message, since(rollout))));
            }
            RolloutState::Progressing | RolloutState::Done | RolloutState::Superseded => {}
        }
    }
    let wanted = (service.desired as usize).saturating_sub(without_place);
    // A rollout with a replica that fits nowhere has no end to wait for.
    let rolled =
        without_place > 0 || service.rollout.as_ref().is_none_or(|rollout| rollout.state == RolloutState::Done);
    if service.updated as usize >= wanted && rolled && service.replicas.len() <= service.desired as usize {
        return None;
    }
    let mut line = format!("{name}: {}/{} of {} healthy", service.updated, service.desired, service.revision.short());
    let rollout = service.rollout.as_ref().filter(|rollout| !rollout.message.is_empty());
    let rests = |rollout: &&RolloutStatus| {
        rollout.paused
            || matches!(rollout.phase, Some(RolloutPhase::Waiting | RolloutPhase::Held | RolloutPhase::Switched))
    };
    if let Some(rollout) = rollout.filter(rests) {
        line.push_str(&format!(", {}{}", rollout.message, since(rollout)));
    } else if let Some(slow) = service.replicas.iter().find(|replica| replica.state != ReplicaState::Healthy) {
        line.push_str(&format!(", {name}/{} is {}", slow.index, slow.state));
        if let Some(message) = &slow.message {
            line.push_str(&format!(" ({message})"));
        }
        line.push_str(&service.rollout.as_ref().map(since).unwrap_or_default());
    } else if let Some(rollout) = rollout {
        line.push_str(&format!(", {}{}", rollout.message, since(rollout)));
    }
    Some(Ok(line))
}

/// What a base waits for (`Ok`), or how it has failed (`Err`); `None` if its nodes are as declared.
fn base_progress(base: &BaseStatus) -> Option<Result<String, String>> {
    let (name, rollout) = (&base.name, &base.rollout);
    match rollout.state {
        RolloutState::Done | RolloutState::Superseded => None,
        RolloutState::Failed => Some(Err(format!("base {name}: {}", rollout.message))),
        RolloutState::RolledBack => Some(Err(format!("base {name}: rolled back, because {}", rollout.message))),
        RolloutState::RollingBack => {
            Some(Ok(format!("base {name}: rolling back, because {}{}", rollout.message, since(rollout))))
        }
        RolloutState::Progressing => {
            let (done, all, system) = (base.updated, base.desired, base.system.short());
            let waits = if rollout.message.is_empty() { String::new() } else { format!(", {}", rollout.message) };
            Some(Ok(format!("base {name}: {done}/{all} nodes with {system}{waits}{}", since(rollout))))
        }
    }
}

/// Since when a rollout waits for what it waits for.
fn since(rollout: &RolloutStatus) -> String {
    if rollout.since == 0 { String::new() } else { format!(", since {}", time(rollout.since, "%H:%M:%S")) }
}

/// What a job that has not succeeded waits for (`Ok`), or how it has failed (`Err`).
fn job_progress(job: &JobStatus) -> Result<String, String> {
    let name = &job.name;
    match (&job.run, &job.last) {
        (Some(run), _) => Ok(match (&job.message, run.open().and_then(|attempt| attempt.node.as_ref())) {
            (Some(message), _) => format!("job {name}: {message}"),
            (None, Some(node)) => format!("job {name}: runs on {node}"),
            (None, None) => format!("job {name}: is being placed"),
        }),
        (None, Some(last)) if last.revision == job.revision && last.outcome == Some(RunOutcome::Failed) => {
            Err(format!("job {name}: {}", last.message))
        }
        (None, _) => Ok(format!("job {name}: has not begun")),
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::{ReplicaStatus, ServiceStatus};

    use super::*;

    /// A status with one service of two replicas in these states; `None` is placed nowhere, with or without a reason.
    fn status(states: [(Option<ReplicaState>, Option<&str>); 2], rollout: RolloutState) -> Status {
        let revision = Revision::of("spec");
        let replica = |(index, (state, message)): (usize, (Option<ReplicaState>, Option<&str>))| ReplicaStatus {
            index: index as u32,
            node: state.map(|_| "n".parse().unwrap()),
            state: state.unwrap_or(ReplicaState::Pending),
            pid: None,
            ports: Default::default(),
            revision: None,
            restarts: 0,
            message: message.map(str::to_owned),
        };
        let healthy = states.iter().filter(|(state, _)| *state == Some(ReplicaState::Healthy)).count() as u32;
        let service = ServiceStatus {
            name: "web".parse().unwrap(),
            revision,
            daemon: false,
            namespace: None,
            priority: 0,
            desired: 2,
            running: healthy,
            healthy,
            updated: healthy,
            unknown: 0,
            rollout: Some(RolloutStatus {
                from: None,
                to: revision,
                state: rollout,
                message: "it broke".into(),
                phase: None,
                paused: false,
                since: 0,
                started: 0,
            }),
            replicas: states.into_iter().enumerate().map(replica).collect(),
        };
        Status {
            schema: 1,
            index: 1,
            cluster: None,
            api: String::new(),
            leader: None,
            revision: Some(revision),
            servers: Vec::new(),
            rebalance: None,
            hold: None,
            stale: None,
            services: vec![service],
            jobs: Vec::new(),
            bases: Vec::new(),
            nodes: Vec::new(),
        }
    }

    const HEALTHY: (Option<ReplicaState>, Option<&str>) = (Some(ReplicaState::Healthy), None);

    #[test]
    fn is_done_when_all_are_healthy() {
        let status = status([HEALTHY, HEALTHY], RolloutState::Done);
        assert_eq!(progress(&status, &Revision::of("spec"), false), Progress::Done { unplaceable: 0 });
        assert_eq!(progress(&status, &Revision::of("other"), false), Progress::Superseded);
    }

    #[test]
    fn a_replica_that_was_not_tried_yet_is_waited_for() {
        let status = status([HEALTHY, (None, None)], RolloutState::Progressing);
        assert!(matches!(progress(&status, &Revision::of("spec"), true), Progress::Waiting(_)));
    }

    #[test]
    fn a_replica_that_fits_nowhere_is_waited_for_unless_that_is_allowed() {
        let status = status([HEALTHY, (None, Some("no node has the memory"))], RolloutState::Progressing);
        assert_eq!(progress(&status, &Revision::of("spec"), true), Progress::Done { unplaceable: 1 });
        let Progress::Waiting(lines) = progress(&status, &Revision::of("spec"), false) else { panic!("not waiting") };
        assert!(lines[0].contains("no node has the memory"), "{lines:?}");
    }

    #[test]
    fn what_waits_for_a_person_is_told_apart_from_what_goes_on() {
        let mut status = status([HEALTHY, HEALTHY], RolloutState::Progressing);
        let rollout = status.services[0].rollout.as_mut().unwrap();
        (rollout.phase, rollout.message) = (Some(RolloutPhase::Held), "`icefield rollout confirm web`".into());
        let revision = Revision::of("spec");
        assert!(matches!(progress(&status, &revision, false), Progress::Asking(_)));
        status.services[0].rollout.as_mut().unwrap().message = "goes on after 5s".into();
        assert!(matches!(progress(&status, &revision, false), Progress::Waiting(_)));
        status.services[0].rollout.as_mut().unwrap().paused = true;
        assert!(matches!(progress(&status, &revision, false), Progress::Asking(_)));
    }

    #[test]
    fn a_rollback_is_a_failure() {
        let status = status([HEALTHY, HEALTHY], RolloutState::RolledBack);
        let Progress::Failed(lines) = progress(&status, &Revision::of("spec"), false) else { panic!("not failed") };
        assert_eq!(lines, ["web: rolled back, because it broke"]);
    }
}
