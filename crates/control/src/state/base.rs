use icefield_api::{EventKind, RolloutAction, RolloutPhase, RolloutState};
use icefield_plan::PlannedSystem;
use icefield_spec::{Base, Name, Revision, Spec, StorePath, Wait};

use super::events::Telling;
use super::rollout::check_step;
use super::{BaseNode, BaseRecord, BaseStep, Effect, State};
use crate::count::count;

impl State {
    /// Takes up what the spec in force says of bases. A base that does not say which system leaves its nodes as they are.
    pub(super) fn declare_bases(&mut self, index: u64, at: u64, before: Option<&Spec>, telling: &mut Telling) {
        let Some(spec) = self.spec.clone() else { return };
        for (name, base) in &spec.bases {
            let Some(system) = &base.system else { continue };
            let declared_before = before.and_then(|before| before.bases.get(name));
            let starts = match self.bases.get_mut(name) {
                Some(record) => {
                    if declared_before != Some(base) {
                        record.basis = index;
                    }
                    record.declare(declared_before, base, system, at)
                }
                None => {
                    let record = BaseRecord { basis: index, ..BaseRecord::first(base, system, at) };
                    self.bases.insert(name.clone(), record);
                    true
                }
            };
            if starts {
                telling.tell(EventKind::Rollout, || (subject(name), format!("rollout started: {}", system.short())));
            }
        }
        self.bases.retain(|name, _| spec.bases.contains_key(name));
        for name in spec.bases.keys() {
            let Some(record) = self.bases.get_mut(name) else { continue };
            let is_of = |node: &Name| {
                spec.fleet_node(node.as_str()).is_some_and(|declared| declared.machine.base.as_ref() == Some(name))
            };
            let gone: Vec<Name> = record.nodes.keys().filter(|node| !is_of(node)).cloned().collect();
            for node in gone {
                let left = record.nodes.remove(&node);
                if let Some(known) = self.nodes.get_mut(&node).filter(|_| left.is_some_and(|left| left.uncordon)) {
                    known.draining = false;
                }
            }
        }
    }

    /// A node that is removed is asked anew once it joins again.
    pub(super) fn forget_node_of_bases(&mut self, node: &Name) {
        for record in self.bases.values_mut() {
            record.nodes.remove(node);
        }
    }

    /// A node takes replicas again: what it was drained for must wait. True if it might have been restarted.
    pub(super) fn forbid_restart(&mut self, node: &Name) -> bool {
        let asked = self.bases.values_mut().filter_map(|record| record.nodes.get_mut(node));
        asked.filter(|asked| !asked.proven).any(|asked| std::mem::take(&mut asked.drained))
    }

    /// Refuses a step that was decided before what the base declares, or its rollout, was changed.
    pub(super) fn check_base_basis(&self, base: &Name, seen: Option<u64>) -> Result<(), String> {
        check_step(base, self.bases.get(base).map_or(0, |record| record.basis), seen)
    }

    /// The system that a node is to run, if it was asked for one.
    pub(crate) fn planned_system(&self, node: &Name) -> Option<PlannedSystem> {
        let spec = self.spec.as_deref()?;
        let name = spec.fleet_node(node.as_str())?.machine.base.clone()?;
        let (base, asked) = (spec.bases.get(&name)?, self.bases.get(&name)?.nodes.get(node)?);
        let update = base.update();
        Some(PlannedSystem {
            path: asked.system.clone(),
            asked: asked.asked,
            reboot: base.reboot,
            drained: asked.drained,
            healthy_for: update.healthy_for,
            confirm: update.deadline,
            health: base.health.clone(),
        })
    }

    pub(super) fn base(
        &mut self,
        at: u64,
        name: &Name,
        to: Option<Revision>,
        step: BaseStep,
    ) -> Result<Effect, String> {
        let Some(spec) = self.spec.clone() else { return Err("there is no spec yet".into()) };
        let (Some(base), Some(record)) = (spec.bases.get(name), self.bases.get_mut(name)) else {
            return Err(format!("there is no base {name} whose nodes are to run a system"));
        };
        if let Some(to) = to.filter(|to| *to != record.revision()) {
            return Err(format!("base {name} goes to {}, not to {}", record.revision().short(), to.short()));
        }
        let is_under_way = record.rollout.is_under_way();
        let message = match step {
            BaseStep::Advance { nodes } => return self.advance_nodes(at, name, nodes),
            BaseStep::Drain { node } => return self.drain_node(at, name, node),
            BaseStep::Permit { node } => {
                let asked = of(record, &node)?;
                (asked.drained, asked.since) = (true, at);
                self.refresh([&node]);
                return Ok(Effect::Basis);
            }
            BaseStep::Prove { node } => return self.prove_node(at, name, node),
            BaseStep::Leave { node, reason } => return self.leave_node(at, name, node, &reason),
            BaseStep::Steer { action } => match steer(record, name, action, at)? {
                Some(message) => message,
                None => return Ok(Effect::Nothing),
            },
            _ if !is_under_way => return Err(format!("the rollout of base {name} is over")),
            BaseStep::Hold if record.rollout.phase == RolloutPhase::Held => {
                return Err("the rollout is held already".into());
            }
            BaseStep::Hold => {
                record.rollout.turn(RolloutPhase::Held, at);
                match base.update().kind {
                    icefield_spec::Strategy::Canary { wait: Wait::Hold(time), .. } => {
                        format!("rollout held for {time}: what was tried does well")
                    }
                    _ => "rollout held until someone confirms: what was tried does well".into(),
                }
            }
            BaseStep::Proceed => {
                record.rollout.turn(RolloutPhase::Rolling, at);
                "rollout goes on: what was tried does well".into()
            }
            BaseStep::Finish => finish(record, at),
            BaseStep::Fail { reason } => fail(record, base, &reason, at),
        };
        self.tell(at, EventKind::Rollout, subject(name), message);
        Ok(Effect::Basis)
    }

    fn advance_nodes(&mut self, at: u64, name: &Name, nodes: Vec<Name>) -> Result<Effect, String> {
        let Some(spec) = self.spec.clone() else { return Err("there is no spec yet".into()) };
        let declared = |node: &Name| {
            spec.fleet_node(node.as_str()).is_some_and(|declared| declared.machine.base.as_ref() == Some(name))
        };
        if let Some(node) = nodes.iter().find(|node| !declared(node) || !self.nodes.contains_key(*node)) {
            return Err(format!("node {node} is not one of base {name}"));
        }
        let Some(record) = self.bases.get_mut(name) else { return Err(format!("there is no base {name}")) };
        if record.rollout.state == RolloutState::Failed {
            return Err(format!("the rollout of base {name} has failed"));
        }
        for node in &nodes {
            let before = record.nodes.get(node);
            let asked = BaseNode {
                system: record.target.clone(),
                // Later than before and than the rollout's start, also by another server's clock.
                asked: before.map_or(at, |before| at.max(before.asked + 1)).max(record.rollout.started),
                since: at,
                draining: false,
                uncordon: before.is_some_and(|before| before.uncordon),
                drained: false,
                proven: false,
                held: false,
            };
            record.nodes.insert(node.clone(), asked);
        }
        record.rollout.stepped = at;
        let message = format!("to run {}", record.target.short());
        let mut telling = Telling::new(at);
        for node in &nodes {
            telling.tell(EventKind::Rollout, || (format!("node {node}"), message.clone()));
        }
        self.refresh(&nodes);
        self.tell_all(telling);
        Ok(Effect::Basis)
    }

    fn drain_node(&mut self, at: u64, name: &Name, node: Name) -> Result<Effect, String> {
        let Some(known) = self.nodes.get_mut(&node) else { return Err(format!("there is no node {node}")) };
        let Some(record) = self.bases.get_mut(name) else { return Err(format!("there is no base {name}")) };
        let asked = of(record, &node)?;
        asked.uncordon |= !known.draining;
        (asked.draining, asked.since, known.draining) = (true, at, true);
        self.tell(at, EventKind::Node, format!("node {node}"), "draining: it must be restarted for its system".into());
        Ok(Effect::Basis)
    }

    fn prove_node(&mut self, at: u64, name: &Name, node: Name) -> Result<Effect, String> {
        let Some(record) = self.bases.get_mut(name) else { return Err(format!("there is no base {name}")) };
        let asked = of(record, &node)?;
        let system = asked.system.short();
        (asked.proven, asked.since, asked.draining) = (true, at, false);
        let uncordon = std::mem::take(&mut asked.uncordon);
        if let Some(known) = self.nodes.get_mut(&node).filter(|_| uncordon) {
            known.draining = false;
        }
        let again = if uncordon { "; it takes replicas again" } else { "" };
        self.tell(at, EventKind::Rollout, format!("node {node}"), format!("runs {system} and does well{again}"));
        Ok(Effect::Basis)
    }

    fn leave_node(&mut self, at: u64, name: &Name, node: Name, reason: &str) -> Result<Effect, String> {
        let Some(record) = self.bases.get_mut(name) else { return Err(format!("there is no base {name}")) };
        let asked = of(record, &node)?;
        (asked.held, asked.since) = (true, at);
        let uncordon = std::mem::take(&mut asked.uncordon);
        if let Some(known) = self.nodes.get_mut(&node).filter(|_| uncordon) {
            known.draining = false;
        }
        self.tell(at, EventKind::Rollout, format!("node {node}"), format!("left as it is: {reason}"));
        Ok(Effect::Basis)
    }

    /// Has a node go back to the system that it ran well before, and stay there.
    pub(super) fn return_system(&mut self, at: u64, node: &Name) -> Result<Effect, String> {
        let bases = self.bases.iter_mut();
        let Some((base, record)) = bases.into_iter().find(|(_, record)| record.nodes.contains_key(node)) else {
            return Err(format!("node {node} was never asked for a system, so there is none to go back to"));
        };
        let mut passed = record.given_up();
        let Some(asked) = record.nodes.get_mut(node) else { return Err(format!("there is no node {node}")) };
        passed.insert(Revision::of(&asked.system));
        let past = self.systems.get(node).into_iter().flatten().rev();
        let mut well = past.filter(|entry| entry.outcome == icefield_api::SystemState::Active);
        let Some(entry) = well.find(|entry| !passed.contains(&Revision::of(&entry.system))) else {
            return Err(format!(
                "node {node} has run no other system well; \"icefield node history {node}\" shows which"
            ));
        };
        *asked = BaseNode {
            system: entry.system.clone(),
            asked: at.max(asked.asked + 1),
            since: at,
            draining: false,
            uncordon: asked.uncordon,
            drained: false,
            proven: false,
            held: true,
        };
        let message =
            format!("goes back to {}; it stays there until base {base} gets another system", entry.system.short());
        record.systems.insert(Revision::of(&entry.system), entry.system.clone());
        self.refresh([node]);
        self.tell(at, EventKind::Node, format!("node {node}"), message);
        Ok(Effect::Basis)
    }
}

fn subject(base: &Name) -> String {
    format!("base {base}")
}

fn of<'a>(record: &'a mut BaseRecord, node: &Name) -> Result<&'a mut BaseNode, String> {
    record.nodes.get_mut(node).ok_or_else(|| format!("node {node} was not asked for a system"))
}

fn finish(record: &mut BaseRecord, at: u64) -> String {
    let proven = record.nodes.values().filter(|node| node.proven && node.system == record.target).count() as u64;
    let (nodes, system) = (count(proven, "node"), record.target.short());
    if record.rollout.to == record.revision() {
        if proven > 0 {
            record.previous = record.good.take().filter(|good| *good != record.target).or(record.previous.take());
            record.good = Some(record.target.clone());
        }
        record.rollout.message = String::new();
        record.rollout.end(RolloutState::Done, at);
        format!("rollout done: {nodes} with {system}")
    } else {
        record.rollout.end(RolloutState::RolledBack, at);
        format!("rolled back: {nodes} with {system} again")
    }
}

fn fail(record: &mut BaseRecord, base: &Base, reason: &str, at: u64) -> String {
    let failed = record.target.short();
    let message = match record.rollout.state {
        RolloutState::RollingBack => format!("{}; going back failed: {reason}", record.rollout.message),
        _ => reason.to_owned(),
    };
    let is_back = record.rollout.state == RolloutState::RollingBack;
    let good = record.good.clone().filter(|good| base.update().rollback && *good != record.target && !is_back);
    match good {
        Some(good) => {
            go_to(record, good, message, at);
            format!("rollout of {failed} failed: {reason}; going back to {}", record.target.short())
        }
        None => {
            record.rollout.stepped = at;
            record.rollout.message = message;
            record.rollout.state = RolloutState::Failed;
            record.rollout.ended = Some(at);
            format!("rollout of {failed} failed: {reason}")
        }
    }
}

fn go_to(record: &mut BaseRecord, system: StorePath, message: String, at: u64) {
    record.target = system;
    record.rollout.turn_back(message, at);
}

/// Does what a person asks of the rollout; `None` if it is so already.
fn steer(record: &mut BaseRecord, name: &Name, action: RolloutAction, at: u64) -> Result<Option<String>, String> {
    if !record.rollout.is_under_way() && !matches!(action, RolloutAction::Undo | RolloutAction::UndoTo(_)) {
        return Err(format!("no rollout of base {name} is under way"));
    }
    let message = match action {
        RolloutAction::Pause if record.rollout.paused.is_some() => return Ok(None),
        RolloutAction::Pause => {
            record.rollout.paused = Some(at);
            "rollout paused".to_owned()
        }
        RolloutAction::Resume => {
            let Some(paused) = record.rollout.paused.take() else { return Ok(None) };
            // What was waited for meanwhile does not count, neither for it nor against it.
            record.rollout.since = record.rollout.since.saturating_add(at.saturating_sub(paused));
            record.rollout.stepped = at;
            for node in record.nodes.values_mut().filter(|node| !node.proven) {
                node.since = at;
            }
            "rollout resumed".to_owned()
        }
        RolloutAction::Confirm if record.rollout.phase != RolloutPhase::Held => {
            return Err(format!("the rollout of base {name} does not wait for anyone to confirm"));
        }
        RolloutAction::Confirm => {
            record.rollout.turn(RolloutPhase::Rolling, at);
            "rollout confirmed: it goes on".to_owned()
        }
        RolloutAction::Undo => undo(record, name, at)?,
        RolloutAction::UndoTo(_) => return Err(format!("base {name} goes back to its last good system only")),
    };
    Ok(Some(message))
}

fn undo(record: &mut BaseRecord, name: &Name, at: u64) -> Result<String, String> {
    let undone = record.target.short();
    let to = match record.rollout.state {
        RolloutState::RollingBack => return Err(format!("base {name} is going back already")),
        RolloutState::RolledBack => {
            return Err(format!("base {name} is at its last good system {undone} already; apply another one"));
        }
        RolloutState::Done => record.previous.take(),
        RolloutState::Progressing | RolloutState::Failed | RolloutState::Superseded => {
            record.good.clone().filter(|good| *good != record.target)
        }
    };
    let Some(to) = to else {
        return Err(format!("there is no good system of base {name} before {undone} to go back to"));
    };
    record.good = Some(to.clone());
    go_to(record, to, "it was undone".into(), at);
    Ok(format!("rollout of {undone} undone; going back to {}", record.target.short()))
}
