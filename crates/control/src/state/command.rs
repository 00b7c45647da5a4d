use icefield_api::{AuditFacts, Capacity, EventKind, NodeAction, RolloutAction, SystemEntry};
use icefield_placement::{Change, ReplicaId};
use icefield_spec::{Name, Revision, Spec};
use serde::{Deserialize, Serialize};

use super::expected::{Expected, Outdated};
use super::{BaseStep, JobStep, SecretStep, TrustStep};

/// A change of the state, as the log carries it. Times (`at`) are in milliseconds since 1970 and are the proposer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Puts a spec in force.
    Apply {
        /// When.
        at: u64,
        /// The spec.
        spec: Box<Spec>,
        /// What it was planned against; refused if that is no longer so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<Expected>,
    },
    /// Changes the placement.
    Place {
        /// When.
        at: u64,
        /// The state's version that the changes were made from; refused if the spec, the nodes or the placement
        /// have changed since.
        seen: u64,
        /// The changes.
        changes: Vec<Change>,
    },
    /// A node's agent is there for the first time, or with other facts than before.
    Register {
        /// When.
        at: u64,
        /// The node.
        node: Name,
        /// The address that its replicas are reached by.
        address: String,
        /// The URL of the agent's own API.
        api: String,
        /// What the machine has.
        capacity: Capacity,
        /// The agent's drivers.
        drivers: Vec<String>,
        /// When the agent was started, as it says.
        #[serde(default)]
        started: u64,
    },
    /// A node's lease has run out, or it is heard of again.
    Lease {
        /// When.
        at: u64,
        /// The node.
        node: Name,
        /// Whether it is lost.
        lost: bool,
        /// What was seen of it.
        reason: String,
    },
    /// An operator's wish for a node.
    Node {
        /// When.
        at: u64,
        /// The node.
        node: Name,
        /// The wish.
        action: NodeAction,
    },
    /// A rollout goes on.
    Rollout {
        /// When.
        at: u64,
        /// The service.
        service: Name,
        /// The revision that it goes to; the command is refused if that is no longer so.
        to: Revision,
        /// The state's version that this was decided from; refused if what the service declares, or its rollout, has
        /// changed since. Older servers did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<u64>,
        /// What happens.
        step: RolloutStep,
    },
    /// A person's wish for a rollout.
    Steer {
        /// When.
        at: u64,
        /// The service.
        service: Name,
        /// The wish.
        action: RolloutAction,
    },
    /// The rollout of a base goes on, or a person has it.
    Base {
        /// When.
        at: u64,
        /// The base.
        base: Name,
        /// The revision of the system that it goes to, where it matters; the command is refused if that is no longer so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Revision>,
        /// The version of the state that it was decided from, if it was; it is refused if what it depends on has changed since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<u64>,
        /// What happens.
        step: BaseStep,
    },
    /// What became of a system on a node.
    System {
        /// When.
        at: u64,
        /// The node.
        node: Name,
        /// What was asked for, and what became of it.
        entry: SystemEntry,
    },
    /// A job goes on.
    Job {
        /// When.
        at: u64,
        /// The job.
        job: Name,
        /// What happens.
        step: JobStep,
    },
    /// A better layout is to be carried out, or no longer.
    Rebalance {
        /// When.
        at: u64,
        /// Which of both.
        step: RebalanceStep,
    },
    /// A node surely runs a singleton no more that it was to give up.
    Release {
        /// When.
        at: u64,
        /// The singleton.
        replica: ReplicaId,
        /// The node.
        node: Name,
        /// How that is known.
        reason: String,
    },
    /// Something was seen that is worth remembering and changes nothing.
    Note {
        /// When.
        at: u64,
        /// What was seen.
        notes: Vec<(EventKind, String, String)>,
    },
    /// Whom the cluster trusts changes.
    Trust {
        /// When.
        at: u64,
        /// What happens.
        step: TrustStep,
    },
    /// The secrets change, or who can open them.
    Secret {
        /// When.
        at: u64,
        /// What happens.
        step: SecretStep,
    },
    /// Someone was not let do something; it is written down.
    Denied {
        /// Who, what and why not.
        facts: AuditFacts,
    },
}

/// How a rollout goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum RolloutStep {
    /// What the service comes after is ready.
    Begin,
    /// These replicas are to take the new revision now.
    Advance {
        /// Their indexes.
        indexes: Vec<u32>,
    },
    /// Replicas beside the service's own are to be started at the new revision.
    Add {
        /// Their indexes.
        indexes: Vec<u32>,
        /// Whether discovery is not to know of them.
        hidden: bool,
    },
    /// Replicas beside the service's own are needed no more.
    Drop {
        /// Their indexes.
        indexes: Vec<u32>,
    },
    /// What was to be tried first has proved itself; a wait begins.
    Hold,
    /// It goes on with the rest.
    Proceed,
    /// Those that discovery does not know of become the service's own.
    Switch,
    /// Every replica is of the new revision and has proved itself.
    Finish,
    /// It has failed: it goes back if the service says so, and stops where it is otherwise.
    Fail {
        /// Why.
        reason: String,
    },
}

/// How the change to a better layout begins and ends. Between both are ordinary changes of the placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum RebalanceStep {
    /// It starts.
    Start {
        /// The state's version that the changes were made from; refused if the spec, the nodes or the placement have
        /// changed since.
        seen: u64,
        /// Replicas that go to another node, or from nowhere to one.
        changes: Vec<Change>,
    },
    /// It ends early.
    End {
        /// Why.
        reason: String,
    },
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// It was applied. The number is the state's version after it.
    Done(u64),
    /// It changed nothing, because the state is already so. The number is the state's version.
    Unchanged(u64),
    /// It was refused, for this reason.
    Refused(String),
    /// It was refused because the state is not as it was planned against.
    Outdated(Outdated),
    /// It was refused because the key of its request was another one's.
    KeyReused,
}
