use icefield_api::{RolloutState, RunOutcome};
use icefield_spec::{Dependency, Name};

use crate::State;

/// Why something that waits for others cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// It is not there yet: what it waits for, in words.
    Waits(String),
    /// It is not going to be there unless someone does something: why.
    Failed(String),
}

impl Unmet {
    /// What is waited for, in words.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Waits(what) | Self::Failed(what) => what,
        }
    }
}

/// The first of `after` that is not there; `None` if all are.
pub(crate) fn unmet(state: &State, after: &[Dependency]) -> Option<Unmet> {
    let mut waits = None;
    for dependency in after {
        let unmet = match dependency {
            Dependency::Service(name) => service(state, name),
            Dependency::Job(name) => job(state, name),
        };
        match unmet {
            Some(Unmet::Failed(reason)) => return Some(Unmet::Failed(reason)),
            Some(Unmet::Waits(what)) => drop(waits.get_or_insert(what)),
            None => {}
        }
    }
    waits.map(Unmet::Waits)
}

/// A service is there once the rollout to its declared revision is done.
fn service(state: &State, name: &Name) -> Option<Unmet> {
    let declared = state.spec.as_ref().and_then(|spec| spec.services.get(name));
    let Some((record, declared)) = state.services.get(name).zip(declared) else {
        return Some(Unmet::Failed(format!("there is no service {name}")));
    };
    let done = record.rollout.state == RolloutState::Done && record.rollout.to == declared.revision();
    let waits = match record.rollout.state {
        _ if done => return None,
        RolloutState::Failed | RolloutState::RolledBack | RolloutState::RollingBack => {
            format!("the service {name}, whose rollout has failed")
        }
        _ => format!("the service {name}"),
    };
    Some(Unmet::Waits(waits))
}

/// A job is there once its declared revision has succeeded.
fn job(state: &State, name: &Name) -> Option<Unmet> {
    let Some(record) = state.jobs.get(name) else { return Some(Unmet::Waits(format!("the job {name}"))) };
    if record.is_done() {
        return None;
    }
    if let Some(run) = record.failure() {
        return Some(Unmet::Failed(format!("the job {name} {}: {}", RunOutcome::Failed, run.message)));
    }
    Some(Unmet::Waits(format!("the job {name}")))
}
