use icefield_api::{BaseHistory, BaseStatus, NodeHistory, RolloutState, RolloutStatus, SCHEMA};
use icefield_spec::Name;

use crate::State;
use crate::observe::Observations;
use crate::reconcile::{BaseStanding, BaseView, base_waits_for};
use crate::state::BaseRecord;

/// The bases whose nodes are to run a system, by name.
pub(super) fn bases(state: &State, seen: &Observations) -> Vec<BaseStatus> {
    state.bases.keys().filter_map(|name| base_status(state, seen, name)).collect()
}

/// How far the nodes of `name` are with their system; `None` if there is no such base.
pub fn base_status(state: &State, seen: &Observations, name: &Name) -> Option<BaseStatus> {
    let (name, base) = state.spec.as_deref()?.bases.get_key_value(name)?;
    let record = state.bases.get(name)?;
    let view = BaseView::new(state, seen, name, base, record, seen.since());
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(BaseStatus {
        name: name.clone(),
        system: record.target.clone(),
        desired: number(view.able()),
        updated: number(view.count(BaseStanding::Through)),
        unable: number(view.count(BaseStanding::Unable)),
        rollout: rollout(&view, record),
    })
}

fn rollout(view: &BaseView<'_>, record: &BaseRecord) -> RolloutStatus {
    let rollout = &record.rollout;
    let unable = view.count(BaseStanding::Unable);
    let message = match rollout.state {
        RolloutState::Progressing => base_waits_for(view).unwrap_or_default(),
        RolloutState::Done if unable > 0 => format!("passed over {unable} whose agents activate no systems"),
        _ => rollout.message.clone(),
    };
    RolloutStatus {
        from: rollout.from,
        to: rollout.to,
        state: rollout.state,
        message,
        phase: rollout.is_under_way().then_some(rollout.phase),
        paused: rollout.paused.is_some(),
        since: rollout.paused.or(rollout.ended).unwrap_or(rollout.stepped),
        started: rollout.started,
    }
}

/// The last rollouts of `base`, newest first; `None` if there is no such base.
pub fn base_history(state: &State, base: &Name) -> Option<BaseHistory> {
    let record = state.bases.get(base)?;
    let now = std::iter::once(record.rollout.entry(None));
    let rollouts = now.chain(record.past.iter().rev().cloned()).collect();
    Some(BaseHistory { schema: SCHEMA, base: base.clone(), systems: record.systems.clone(), rollouts, stale: None })
}

/// The systems that `node` was asked for, newest first; `None` if there is no such node.
pub fn node_history(state: &State, node: &Name) -> Option<NodeHistory> {
    if !state.nodes.contains_key(node) && !state.declares(node.as_str()) {
        return None;
    }
    let entries = state.systems.get(node).into_iter().flatten().rev().cloned().collect();
    Some(NodeHistory { schema: SCHEMA, node: node.clone(), entries, stale: None })
}
