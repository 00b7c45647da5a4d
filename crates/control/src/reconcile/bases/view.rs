use icefield_api::{RolloutPhase, RolloutState, SystemReport, SystemState};
use icefield_placement::ReplicaId;
use icefield_spec::{Base, Name, Revision, Update};

use crate::State;
use crate::observe::Observations;
use crate::reconcile::standing::{Known, Standing as ReplicaStanding};
use crate::state::{BaseNode, BaseRecord};

/// The label that says which nodes may fail together; those without it are a zone of their own.
const ZONE: &str = "zone";

/// How one node of a base stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its agent activates no systems: it is passed over.
    Unable,
    /// A person has it stay as it is.
    Held,
    /// It runs the target and has proved itself.
    Through,
    /// It was asked for the target and has yet to prove itself.
    UnderWay,
    /// It is lost. It is asked once it is back.
    Away,
    /// This server has not heard of it lately.
    Unknown,
    /// It runs something else.
    Old,
}

/// A node of a base, with all that is known of it.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(super) node: &'a Name,
    pub(super) zone: String,
    pub(super) asked: Option<&'a BaseNode>,
    /// What its agent says of what it was asked for last.
    pub(super) report: Option<&'a SystemReport>,
    pub(super) standing: Standing,
}

/// A base whose nodes are to run a system, with all that its next step depends on.
#[derive(Debug)]
pub(crate) struct BaseView<'a> {
    pub(super) state: &'a State,
    pub(super) seen: &'a Observations,
    pub(super) name: &'a Name,
    pub(super) update: Update,
    pub(super) record: &'a BaseRecord,
    pub(super) members: Vec<Member<'a>>,
    /// How many nodes are declared.
    pub(super) declared: usize,
    pub(super) now: u64,
}

impl<'a> BaseView<'a> {
    pub(crate) fn new(
        state: &'a State,
        seen: &'a Observations,
        name: &'a Name,
        base: &'a Base,
        record: &'a BaseRecord,
        now: u64,
    ) -> Self {
        let fleet = state.spec.iter().flat_map(|spec| spec.fleet());
        let own = fleet.filter(|node| node.machine.base.as_ref() == Some(name));
        let mut declared = 0;
        let mut members = Vec::new();
        for node in own {
            declared += 1;
            let Some((known, of)) = state.nodes.get_key_value(&node.name).filter(|(_, of)| !of.removed) else {
                continue;
            };
            let asked = record.nodes.get(known);
            let sight = seen.sight(known.as_str());
            let system = sight.and_then(|sight| sight.system.as_ref());
            let report = system.filter(|report| asked.is_some_and(|asked| report.asked == asked.asked));
            let standing = match asked {
                _ if sight.is_some() && system.is_none() => Standing::Unable,
                Some(asked) if asked.held => Standing::Held,
                Some(asked) if asked.system == record.target && asked.proven => Standing::Through,
                Some(asked) if asked.system == record.target && asked.asked >= record.rollout.started => {
                    Standing::UnderWay
                }
                _ if of.lost => Standing::Away,
                _ if sight.is_none() || seen.health().is_suspect(known.as_str()) => Standing::Unknown,
                _ => Standing::Old,
            };
            let zone = node.labels().get(ZONE).cloned().unwrap_or_default();
            members.push(Member { node: known, zone, asked, report, standing });
        }
        Self { state, seen, name, update: base.update(), record, members, declared, now }
    }

    pub(crate) fn count(&self, standing: Standing) -> usize {
        self.members.iter().filter(|member| member.standing == standing).count()
    }

    /// How many nodes are there to run a system.
    pub(crate) fn able(&self) -> usize {
        self.members.len() - self.count(Standing::Unable)
    }

    pub(super) fn target(&self) -> Revision {
        self.record.revision()
    }

    pub(super) fn is_going_back(&self) -> bool {
        self.record.rollout.state == RolloutState::RollingBack
    }

    /// Whether only what is to be tried first may go on.
    pub(super) fn is_trial(&self) -> bool {
        self.record.rollout.is_under_way()
            && matches!(self.record.rollout.phase, RolloutPhase::Trial | RolloutPhase::Held)
    }

    /// Whether a node runs what it was asked for and does well, its replicas too.
    pub(super) fn has_proved_itself(&self, member: &Member<'_>) -> bool {
        let is_active = member.report.is_some_and(|report| report.state == SystemState::Active);
        let node = member.node.as_str();
        let is_there =
            self.state.nodes.get(node).is_some_and(|record| !record.lost) && !self.seen.health().is_suspect(node);
        is_active && is_there && self.unwell(member).is_none()
    }

    /// A replica on a node that does not do well, or not for long enough. What is being rolled out itself, or has failed at
    /// that, says nothing of the node.
    pub(super) fn unwell(&self, member: &Member<'_>) -> Option<ReplicaId> {
        let services = self.state.spec.as_deref().map(|spec| &spec.services)?;
        let mut on_it = self.state.placed.on_node(member.node.as_str());
        let unwell = on_it.find(|(replica, _)| {
            let is_settled = self.state.services.get(&replica.service).is_some_and(|record| record.rollout.is_over());
            if !is_settled || !services.contains_key(&replica.service) {
                return false;
            }
            let known = Known::new(self.state, self.seen, (*replica).clone(), self.update.healthy_for, self.now);
            known.standing != ReplicaStanding::Proven
        });
        unwell.map(|(replica, _)| replica.clone())
    }

    /// How long a node may take with what it was asked for, in milliseconds: the agent has the deadline for what follows the
    /// switch, and before that it has as much to fetch, or to be drained.
    pub(super) fn time_to_prove_itself(&self) -> u64 {
        self.update.deadline.get().saturating_mul(2)
    }

    /// Whether a node has taken longer with what it was asked for.
    pub(super) fn is_too_late(&self, member: &Member<'_>) -> bool {
        let time = self.time_to_prove_itself();
        // When it was asked, another server's clock may have shown anything: it has the whole time again from a new leader.
        let led = self.now.saturating_sub(self.seen.since());
        led >= time && member.asked.is_some_and(|asked| self.has_passed(asked.since, time))
    }

    /// Whether so much time has passed since `since`.
    pub(super) fn has_passed(&self, since: u64, millis: u64) -> bool {
        // Another server's clock may be ahead of this one's; then time runs from when this one came to lead.
        let since = if since > self.now { self.seen.since() } else { since };
        self.now.saturating_sub(since) >= millis
    }
}
