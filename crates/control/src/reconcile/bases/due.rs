use icefield_api::{RolloutPhase, SystemEntry, SystemState};
use icefield_spec::{Strategy, Wait};

use super::view::{BaseView, Member, Standing};
use crate::observe::Observations;
use crate::state::BaseStep;
use crate::{Command, State};

/// What became of systems, and the next step of each base that can go on.
pub(in crate::reconcile) fn due(state: &State, seen: &Observations, now: u64) -> Vec<Command> {
    let Some(spec) = state.spec.as_deref().filter(|_| !state.bases.is_empty()) else { return Vec::new() };
    let mut commands = Vec::new();
    for (name, base) in &spec.bases {
        let Some(record) = state.bases.get(name) else { continue };
        let view = BaseView::new(state, seen, name, base, record, now);
        commands.extend(view.members.iter().filter_map(|member| view.outcome(member)));
        if let Some(step) = view.step() {
            let seen = Some(state.version);
            commands.push(Command::Base { at: now, base: name.clone(), to: Some(view.target()), seen, step });
        }
    }
    commands
}

impl BaseView<'_> {
    /// What became of the system of a node, if that is news.
    fn outcome(&self, member: &Member<'_>) -> Option<Command> {
        let report = member.report.filter(|report| report.state.is_final())?;
        let system = report.system.clone()?;
        let last = self.state.systems.get(member.node).and_then(|known| known.back());
        if last.is_some_and(|last| (last.asked, last.outcome) == (report.asked, report.state)) {
            return None;
        }
        let entry = SystemEntry {
            generation: report.generation,
            system,
            asked: report.asked,
            at: self.now,
            outcome: report.state,
            message: report.message.clone(),
        };
        Some(Command::System { at: self.now, node: member.node.clone(), entry })
    }

    fn step(&self) -> Option<BaseStep> {
        let rollout = &self.record.rollout;
        if rollout.paused.is_some() {
            return None;
        }
        // What was begun is brought to its end, whatever becomes of the rollout.
        if let Some(step) = self.members.iter().find_map(|member| self.of_member(member)) {
            return Some(step);
        }
        if !rollout.is_under_way() {
            return if rollout.is_over() { self.late() } else { None };
        }
        let under_way = || self.members.iter().filter(|member| member.standing == Standing::UnderWay);
        if let Some(reason) = under_way().find_map(|member| self.failure(member)) {
            return Some(BaseStep::Fail { reason });
        }
        if self.is_through() {
            return Some(BaseStep::Finish);
        }
        if self.is_trial() { self.trial() } else { self.advance(usize::MAX) }
    }

    /// The next step of a node that was asked for a system, whatever its base is at.
    fn of_member(&self, member: &Member<'_>) -> Option<BaseStep> {
        let asked = member.asked.filter(|asked| !asked.proven)?;
        let node = || member.node.clone();
        if self.has_proved_itself(member) {
            return Some(BaseStep::Prove { node: node() });
        }
        let waits = member.report.is_some_and(|report| report.state == SystemState::NeedsReboot);
        if !waits || asked.drained {
            return None;
        }
        if !asked.draining {
            return Some(BaseStep::Drain { node: node() });
        }
        // A person may have had it take replicas again meanwhile.
        let is_draining = self.state.nodes.get(member.node).is_some_and(|record| record.draining);
        let is_empty = is_draining
            && self.state.placed.on_node(member.node.as_str()).next().is_none()
            && self.seen.sight(member.node.as_str()).is_some_and(|sight| sight.replicas.is_empty());
        is_empty.then(|| BaseStep::Permit { node: node() })
    }

    /// Why a node shows that the rollout has failed, if it does.
    fn failure(&self, member: &Member<'_>) -> Option<String> {
        let node = member.node;
        let because = |message: &str| if message.is_empty() { String::new() } else { format!(": {message}") };
        if let Some(report) = member.report {
            match report.state {
                SystemState::RolledBack => {
                    return Some(format!("{node} went back by itself{}", because(&report.message)));
                }
                SystemState::Failed => return Some(format!("{node} could not come to it{}", because(&report.message))),
                _ => {}
            }
        }
        self.is_too_late(member).then(|| {
            let stands = match member.report {
                None => "its agent has not taken it up".to_owned(),
                Some(report) => format!("{}{}", report.state, because(&report.message)),
            };
            let within = icefield_spec::Millis::new(self.time_to_prove_itself());
            let unwell = self.unwell(member).map_or(String::new(), |replica| format!("; {replica} does not do well"));
            format!("{node} did not prove itself within {within} ({stands}{unwell})")
        })
    }

    /// Whether every node that is there is as it should be.
    fn is_through(&self) -> bool {
        let passed = |member: &Member<'_>| {
            matches!(member.standing, Standing::Through | Standing::Away | Standing::Unable | Standing::Held)
        };
        let is_any = self.members.iter().any(|member| member.standing != Standing::Away);
        let stood = match self.record.rollout.phase {
            // What is tried must have stood the test, unless nothing was to be tried.
            RolloutPhase::Held => self.count(Standing::Through) == 0,
            _ => true,
        };
        self.members.iter().all(passed) && (is_any || self.declared == 0) && stood
    }

    fn trial(&self) -> Option<BaseStep> {
        let able = u32::try_from(self.able()).unwrap_or(u32::MAX);
        let (share, wait) = match self.update.kind {
            Strategy::Canary { share, wait } if !self.is_going_back() => (share.of(able) as usize, wait),
            _ => return Some(BaseStep::Proceed),
        };
        let tried = self.count(Standing::Through) + self.count(Standing::UnderWay);
        if tried < share {
            return self.advance(share - tried);
        }
        if self.count(Standing::UnderWay) > 0 || share == 0 {
            return None;
        }
        match (self.record.rollout.phase, wait) {
            (RolloutPhase::Held, Wait::Hold(time)) => {
                self.has_passed(self.record.rollout.since, time.get()).then_some(BaseStep::Proceed)
            }
            (RolloutPhase::Held, Wait::Confirm) => None,
            (_, Wait::Hold(time)) if time.get() == 0 => Some(BaseStep::Proceed),
            _ => Some(BaseStep::Hold),
        }
    }

    /// Has up to `most` more nodes come to the target, as far as that can be spared.
    fn advance(&self, most: usize) -> Option<BaseStep> {
        let nodes = self.next(most);
        (!nodes.is_empty()).then_some(BaseStep::Advance { nodes })
    }

    /// The rollout is over: nodes that come, or come back, later follow; one that fails then is left as it is.
    fn late(&self) -> Option<BaseStep> {
        let mut under_way = self.members.iter().filter(|member| member.standing == Standing::UnderWay);
        let failed = under_way.find_map(|member| Some((member.node.clone(), self.failure(member)?)));
        match failed {
            Some((node, reason)) => Some(BaseStep::Leave { node, reason }),
            None => self.advance(usize::MAX),
        }
    }
}
