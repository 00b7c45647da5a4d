//! Once nothing fails any longer, all is soon as it should be: every server knows the same, every declared replica runs
//! well where it is placed, and nothing else runs.

use std::collections::BTreeMap;

use icefield_api::RolloutState;
use icefield_control::State;
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Revision};

use crate::system::Standing;

pub(crate) const NAME: &str = "it converges";

/// What runs on one node: which replica, of which revision, and whether it is well.
pub(crate) type Running = (Name, Vec<(ReplicaId, Revision, bool)>);

/// What is not yet as it should be, if anything is not. `versions` are those of all servers' states; `systems` has of each node
/// how it stands, and for how long it has heard of nobody.
pub(crate) fn check(
    state: &State,
    versions: &[u64],
    running: &[Running],
    systems: &[(Name, Standing, u64)],
) -> Result<(), String> {
    if let Some(version) = versions.iter().find(|version| **version != state.version) {
        return Err(format!("a server has version {version}, and the leader {}", state.version));
    }
    let Some(spec) = &state.spec else { return Err("there is no spec".into()) };
    let mut wanted: BTreeMap<ReplicaId, Revision> = BTreeMap::new();
    for (name, service) in &spec.services {
        let record = state.services.get(name).ok_or_else(|| format!("service {name} is not known"))?;
        if record.rollout.state != RolloutState::Done || record.target != service.revision() {
            return Err(format!("the rollout of {name} is {:?}: {}", record.rollout.state, record.rollout.message));
        }
        let own = record.own.clone().unwrap_or_else(|| (0..service.replicas).collect());
        if own.len() != service.replicas as usize {
            return Err(format!("{name} has {} replicas of its own, and declares {}", own.len(), service.replicas));
        }
        wanted.extend(own.into_iter().map(|index| (ReplicaId::new(name.clone(), index), record.target)));
    }
    for (name, job) in &spec.jobs {
        if state.jobs.get(name).and_then(|record| record.succeeded) != Some(job.revision()) {
            return Err(format!("the job {name} has not succeeded"));
        }
    }
    for (name, base) in &spec.bases {
        let record = state.bases.get(name).ok_or_else(|| format!("base {name} is not known"))?;
        if record.rollout.state != RolloutState::Done || Some(&record.target) != base.system.as_ref() {
            return Err(format!(
                "the rollout of base {name} is {:?}: {}",
                record.rollout.state, record.rollout.message
            ));
        }
    }
    for (node, standing, _) in systems {
        let base = spec.nodes.get(node).and_then(|node| node.machine.base.as_ref());
        let declared = base.and_then(|base| spec.bases.get(base)).and_then(|base| base.system.as_ref());
        if !standing.is_active || declared != Some(&standing.running) {
            return Err(format!("{node} runs {}, and is not done", standing.running.short()));
        }
        if state.nodes.get(node).is_none_or(|node| node.draining) {
            return Err(format!("{node} is still draining"));
        }
    }
    for (node, replicas) in running {
        if state.nodes.get(node).is_none_or(|record| record.lost) {
            return Err(format!("node {node} is lost"));
        }
        for (replica, revision, well) in replicas {
            let placed = state.placed.get(replica).is_some_and(|assignment| assignment.node == *node);
            if !placed || !well || wanted.remove(replica) != Some(*revision) {
                return Err(format!("{replica} on {node} is not as it should be"));
            }
        }
    }
    match wanted.keys().next() {
        Some(replica) => Err(format!("{replica} does not run")),
        None => Ok(()),
    }
}
