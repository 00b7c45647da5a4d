use icefield_plan::{NodePlan, PlannedReplica, ReplicaId};
use icefield_spec::{Health, Unit};

use super::replica::{Phase, Replica};
use super::{Incarnation, Local, Moment, Timings};

/// Something for the agent to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process; [`super::Event::Started`] or `NotStarted` must follow.
    Start { id: ReplicaId, incarnation: Incarnation },
    /// Ask a process to end, or one that is being started not to be; [`super::Event::Ended`], `Started` or `NotStarted` must
    /// follow sooner or later.
    Stop { id: ReplicaId },
    /// End a process.
    Kill { id: ReplicaId },
    /// Put the health check's question; [`super::Event::Answered`] must follow, if the process does not end first.
    Probe { id: ReplicaId, health: Health },
    /// Delete what a replica that is not wanted leaves.
    Remove { id: ReplicaId },
}

/// What an agent is to make true.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Nothing is known: what runs goes on, and nothing is started.
    Unknown,
    /// This plan.
    Plan(&'a NodePlan),
    /// No process; what they leave stays.
    Quiet,
}

/// What is to become of one replica.
#[derive(Clone, Copy)]
enum Target<'a> {
    Unknown,
    /// What the plan says of it.
    This(&'a NodePlan, &'a PlannedReplica, &'a Unit),
    Quiet,
    Gone,
}

impl<'a> Wanted<'a> {
    fn target(self, id: &ReplicaId) -> Target<'a> {
        match self {
            Self::Unknown => Target::Unknown,
            Self::Quiet => Target::Quiet,
            Self::Plan(plan) => match (plan.replicas.get(id), plan.unit(id)) {
                (Some(replica), Some(planned)) => Target::This(plan, replica, &planned.unit),
                _ => Target::Gone,
            },
        }
    }
}

/// What is to be done now, and when to ask again if nothing happens before.
///
/// Deciding takes note of what is decided: the same action is not given twice.
pub(crate) fn decide(wanted: Wanted<'_>, local: &mut Local, now: Moment) -> (Vec<Action>, Option<Moment>) {
    if let Wanted::Plan(plan) = wanted {
        for id in plan.replicas.keys().filter(|id| plan.unit(id).is_some()) {
            if !local.replicas.contains_key(id) {
                local.replicas.insert(id.clone(), Replica::new(now));
            }
        }
    }
    let mut actions = Vec::new();
    let mut next: Option<Moment> = None;
    for (id, replica) in &mut local.replicas {
        let held = local.held.contains_key(id);
        let target = wanted.target(id);
        let action = step(id, replica, target, held, &local.timings, local.fence, now);
        if !matches!(action, Some(Action::Remove { .. })) {
            let unit = if let Target::This(_, _, unit) = target { Some(unit) } else { None };
            // What waits for the lease is told when that is there.
            let waits = unit.is_some_and(Unit::is_singleton) && local.fence <= now && replica.is_down();
            let waits = waits || held && replica.is_down();
            let due = due(replica, unit, wanted, &local.timings).filter(|_| !waits);
            next = [next, due].into_iter().flatten().min();
        }
        actions.extend(action);
    }
    for action in &actions {
        if let Action::Remove { id } = action {
            local.replicas.remove(id);
            local.remark(id, None);
        }
    }
    (actions, next)
}

/// Brings one replica a step nearer to what it is to be.
fn step(
    id: &ReplicaId,
    replica: &mut Replica,
    target: Target<'_>,
    held: bool,
    timings: &Timings,
    fence: Moment,
    now: Moment,
) -> Option<Action> {
    let begun = replica.is_begun();
    let other = match &target {
        // What runs once is not begun again for another address.
        Target::This(_, _, unit) if unit.once && begun => false,
        // What cannot be started yet replaces nothing.
        Target::This(..) if held && !replica.is_down() => false,
        Target::This(plan, wanted, _) => replica.incarnation.as_ref().is_none_or(|own| !own.is_of(plan, wanted)),
        Target::Unknown => false,
        Target::Quiet | Target::Gone => true,
    };
    match (&mut replica.phase, target) {
        (Phase::Starting { again }, _) => {
            // What was asked for once is seen through: whether it came too late, only its start or its failure tells.
            let due = again.map_or(other, |again| again <= now);
            if !due {
                return None;
            }
            *again = Some(now + timings.kill_again);
            Some(Action::Stop { id: id.clone() })
        }
        (Phase::Ending { kill_at, .. }, _) => {
            if *kill_at > now {
                return None;
            }
            *kill_at = now + timings.kill_again;
            Some(Action::Kill { id: id.clone() })
        }
        (Phase::Up { .. }, target) if other => {
            // An agent that ends leaves nobody behind who waits.
            if !matches!(target, Target::Quiet) && !replica.leave(now) {
                return None;
            }
            replica.stop(false, now);
            Some(Action::Stop { id: id.clone() })
        }
        (Phase::Up { .. }, Target::This(..)) if replica.renew && !held => {
            replica.renew = false;
            replica.stop(false, now);
            Some(Action::Stop { id: id.clone() })
        }
        (Phase::Up { checks, .. }, _) if checks.is_lost() => {
            replica.stop(true, now);
            Some(Action::Stop { id: id.clone() })
        }
        (Phase::Up { checks, .. }, Target::This(_, _, unit)) => {
            let ask = checks.tick(unit.health.as_ref(), timings, now);
            replica.stay();
            let health = unit.health.as_ref().filter(|_| ask)?;
            Some(Action::Probe { id: id.clone(), health: health.clone() })
        }
        (Phase::Down { .. }, Target::This(plan, wanted, unit)) if unit.once && begun => {
            replica.give_up(Incarnation::of(plan, wanted));
            None
        }
        (Phase::Down { .. }, Target::This(plan, wanted, _)) if held => {
            replica.wanted = Some(Incarnation::of(plan, wanted));
            None
        }
        (Phase::Down { due, .. }, Target::This(plan, wanted, unit)) => {
            if (!other && due.is_none_or(|due| due > now)) || (unit.is_singleton() && fence <= now) {
                return None;
            }
            let incarnation = Incarnation::of(plan, wanted);
            replica.start(incarnation.clone(), unit);
            Some(Action::Start { id: id.clone(), incarnation })
        }
        (Phase::Down { .. }, Target::Gone) => Some(Action::Remove { id: id.clone() }),
        (Phase::Up { .. } | Phase::Down { .. }, _) => None,
    }
}

/// When something is due for a replica though nothing happens to it.
fn due(replica: &Replica, unit: Option<&Unit>, wanted: Wanted<'_>, timings: &Timings) -> Option<Moment> {
    match &replica.phase {
        Phase::Starting { again } => *again,
        Phase::Ending { kill_at, .. } => Some(*kill_at),
        Phase::Up { .. } if replica.leaves().is_some() => replica.leaves(),
        Phase::Up { checks, .. } => checks.due(unit?.health.as_ref(), timings),
        Phase::Down { .. } if replica.is_over() => None,
        Phase::Down { due, .. } => due.filter(|_| matches!(wanted, Wanted::Plan(_))),
    }
}
