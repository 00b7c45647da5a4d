//! What the servers agree on. Everything here is pure: the log carries commands, and each server applies them alike.

mod anew;
mod apply_spec;
mod audit;
mod author;
mod base;
mod base_record;
mod base_step;
mod command;
mod events;
mod expected;
mod fingerprint;
mod generation;
mod holders;
mod job;
mod job_record;
mod job_step;
mod journal;
mod lease;
mod node;
mod node_record;
mod note;
mod place;
mod placed;
mod rebalance;
mod register;
mod request;
mod requests;
mod rollout;
mod rollout_record;
#[cfg(test)]
pub(crate) mod sample;
mod secrets;
mod service_record;
mod steer;
mod systems;
mod ties;
mod trust;

pub use audit::Audit;
pub use author::Author;
pub use base_record::{BaseNode, BaseRecord};
pub use base_step::BaseStep;
pub use command::{Applied, Command, RebalanceStep, RolloutStep};
pub(crate) use expected::ago;
pub use expected::{Expected, Outdated};
pub use fingerprint::Fingerprint;
pub use holders::Holders;
pub use job_record::JobRecord;
pub use job_step::JobStep;
pub use node_record::NodeRecord;
pub use placed::{Decision, Placed};
pub use rebalance::Rebalance;
pub use request::{Proposal, Request};
pub use requests::Requests;
pub use rollout_record::Rollout;
pub use secrets::{Grant, KeyRecord, Missing, SecretId, SecretRecord, SecretStep, Secrets, Version};
pub use service_record::ServiceRecord;
pub use ties::Ties;
pub use trust::{Enrolment, JoinRecord, Renewal, Secret, Trust, TrustStep, Used, UserRecord};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use icefield_api::{Event, HistoryEntry, SystemEntry};
use icefield_placement::ReplicaId;
use icefield_spec::{Name, Spec};
use serde::{Deserialize, Serialize};

/// The replicated state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The log index of the last command that changed anything.
    pub version: u64,
    /// The log index of the last command that changed what placement is decided from: the spec, a node, a rollout or
    /// the placement itself. Never more than [`Self::version`].
    pub basis: u64,
    /// The spec in force.
    pub spec: Option<Arc<Spec>>,
    /// What there is to know of each service, also of one that is gone while replicas of it are placed.
    pub services: BTreeMap<Name, ServiceRecord>,
    /// Every node whose agent has ever registered. A record is never dropped: the numbers of a node's generations must
    /// not start anew.
    pub nodes: BTreeMap<Name, NodeRecord>,
    /// Where every replica is.
    pub placed: Placed,
    /// The nodes that replicas are tied to by their volumes.
    #[serde(default, skip_serializing_if = "Ties::is_empty")]
    pub ties: Ties,
    /// The nodes that singletons may be running on.
    #[serde(default, skip_serializing_if = "Holders::is_empty")]
    pub holders: Holders,
    /// What there is to know of each base whose nodes are to run a system.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<Name, BaseRecord>,
    /// The systems that each node was asked for and what became of them, newest last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub systems: BTreeMap<Name, VecDeque<SystemEntry>>,
    /// What there is to know of each job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<Name, JobRecord>,
    /// How many attempts of jobs were begun; the next one has this number.
    #[serde(default)]
    pub attempts: u32,
    /// The better layout that is being carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<Rebalance>,
    /// The specs that were put in force, newest last.
    pub history: VecDeque<HistoryEntry>,
    /// What happened, newest last.
    pub events: VecDeque<Event>,
    /// The number of the newest event.
    pub last_event: u64,
    /// Whom the cluster trusts; secret, see [`Trust`].
    #[serde(default, skip_serializing_if = "no_trust")]
    pub trust: Arc<Trust>,
    /// The secrets, sealed.
    #[serde(default, skip_serializing_if = "no_secrets")]
    pub secrets: Arc<Secrets>,
    /// Who changed what.
    #[serde(default, skip_serializing_if = "Audit::is_empty")]
    pub audit: Audit,
    /// What became of the last requests.
    #[serde(default, skip_serializing_if = "Requests::is_empty")]
    pub requests: Requests,
}

/// How far a command reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The state is already so.
    Nothing,
    /// Something is remembered that nothing is decided from.
    Noted,
    /// What placement is decided from has changed.
    Basis,
}

impl State {
    /// Applies the command that the log has at `index`. Equal states and commands give equal states; a refused command
    /// changes nothing. Of the commands of one request only the first is carried out; the others get its answer. What someone
    /// asked for and got is written down.
    pub fn apply(&mut self, index: u64, proposal: impl Into<Proposal>) -> Applied {
        let Proposal { mut command, request, author } = proposal.into();
        if let Some(first) = request.as_ref().and_then(|request| self.requests.outcome(request)) {
            return first;
        }
        // First of all, so that specs are compared with what they come to.
        if let Command::Apply { spec, .. } = &mut command {
            spec.fill_in_ports();
            let missing: Vec<String> = self.secrets.resolve(spec).iter().map(ToString::to_string).collect();
            if !missing.is_empty() {
                return Applied::Refused(missing.join("; "));
            }
        }
        let applied = self.carry_out_for(index, command, author);
        // What was planned anew since may be asked for again.
        if let Some(request) = request
            && !matches!(applied, Applied::Outdated(_))
        {
            self.requests.remember(request, applied.clone());
        }
        applied
    }

    fn carry_out_for(&mut self, index: u64, command: Command, author: Option<Author>) -> Applied {
        let Some(author) = author else { return self.carry_out(index, command) };
        if let Command::Apply { spec, .. } = &command
            && let Err(reason) = self.check_namespaces(spec, &author)
        {
            return Applied::Refused(reason);
        }
        if let Command::Steer { service, .. } = &command
            && let Err(reason) = self.check_namespace_of(service, &author)
        {
            return Applied::Refused(reason);
        }
        if let Command::Job { job, .. } = &command
            && let Err(reason) = self.check_job(job, &author)
        {
            return Applied::Refused(reason);
        }
        if let Command::Secret { step, .. } = &command
            && let Some(id) = step.changes()
            && let Err(reason) = author.check_secret(id)
        {
            return Applied::Refused(reason);
        }
        let is_spec = matches!(command, Command::Apply { .. });
        let applied = self.carry_out(index, command);
        if let Applied::Done(_) = applied {
            let revision = self.history.back().filter(|_| is_spec).map(|entry| entry.revision);
            self.audit.add(author.facts(revision, "done".into()));
        }
        applied
    }

    fn carry_out(&mut self, index: u64, command: Command) -> Applied {
        let is_spec = matches!(command, Command::Apply { .. });
        let (steered, base) = match &command {
            Command::Rollout { service, .. } | Command::Steer { service, .. } => (Some(service.clone()), None),
            Command::Base { base, .. } => (None, Some(base.clone())),
            _ => (None, None),
        };
        let effect = match command {
            Command::Apply { at, spec, expect } => match self.outdated(at, &spec, expect) {
                Some(outdated) => return Applied::Outdated(outdated),
                None => self.apply_spec(index, at, spec),
            },
            Command::Place { at, seen, changes } => self.place(index, at, seen, changes),
            Command::Register { at, node, address, api, capacity, drivers, started } => {
                Ok(self.register(at, node, register::Facts { address, api, capacity, drivers, started }))
            }
            Command::Lease { at, node, lost, reason } => self.lease(at, &node, lost, &reason),
            Command::Node { at, node, action } => self.node(at, &node, action),
            Command::Rollout { at, service, to, seen, step } => {
                self.check_rollout_basis(&service, seen).and_then(|()| self.rollout(at, &service, to, step))
            }
            Command::Steer { at, service, action } => self.steer(at, &service, action),
            Command::Base { at, base, to, seen, step } => {
                self.check_base_basis(&base, seen).and_then(|()| self.base(at, &base, to, step))
            }
            Command::System { at, node, entry } => Ok(self.system(at, &node, entry)),
            Command::Job { at, job, step } => self.job(index, at, &job, step),
            Command::Rebalance { at, step } => self.rebalance(at, step),
            Command::Release { at, replica, node, reason } => self.release_holder(at, &replica, &node, &reason),
            Command::Note { at, notes } => Ok(self.note(at, notes)),
            Command::Trust { at, step } => self.trust_step(at, step),
            Command::Secret { at, step } => self.secret_step(index, at, step),
            Command::Denied { facts } => {
                self.audit.add(facts);
                Ok(Effect::Noted)
            }
        };
        match effect {
            Err(reason) => return Applied::Refused(reason),
            // Whoever applies a spec again is told of the apply that put it in force.
            Ok(Effect::Nothing) if is_spec => {
                return Applied::Unchanged(self.history.back().map_or(self.version, |entry| entry.version));
            }
            Ok(Effect::Nothing) => return Applied::Unchanged(self.version),
            Ok(Effect::Noted) => {}
            Ok(Effect::Basis) => {
                self.basis = index;
                if let Some(record) = steered.and_then(|service| self.services.get_mut(&service)) {
                    record.basis = index;
                }
                if let Some(record) = base.and_then(|base| self.bases.get_mut(&base)) {
                    record.basis = index;
                }
            }
        }
        self.version = index;
        Applied::Done(index)
    }

    /// Whether the spec declares `replica`, or it is the attempt that a job makes now. Which replicas a daemon has is not declared but follows from the nodes.
    pub fn declares_replica(&self, replica: &ReplicaId) -> bool {
        let declared = self.spec.as_ref().and_then(|spec| spec.services.get(&replica.service));
        let is_declared = declared.is_some_and(|service| match self.services.get(&replica.service) {
            Some(record) if !service.daemon => record.has(replica.index, service.replicas),
            _ => service.daemon || replica.index < service.replicas,
        });
        is_declared || self.declares_attempt(replica)
    }

    /// Whether the spec declares `node`.
    pub fn declares(&self, node: &str) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.fleet_node(node).is_some())
    }
}

fn no_secrets(secrets: &Arc<Secrets>) -> bool {
    secrets.is_empty()
}

fn no_trust(trust: &Arc<Trust>) -> bool {
    **trust == Trust::default()
}
