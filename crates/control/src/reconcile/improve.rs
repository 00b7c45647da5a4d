use icefield_api::{RebalanceProposal, SCHEMA};
use icefield_placement::{Change, Effort, Engine, Improvement};

use super::demands::Demands;
use super::fitting::fitting;
use super::host::Joining;
use super::placing::engine;
use super::wanted::Wanted;
use crate::State;

/// How long and how far to look for a better layout.
pub(crate) struct Search<'a> {
    /// How many replicas may move; a tenth of those that are placed, and at least 10, if it is not said.
    pub(crate) moves: Option<u32>,
    /// How many threads look.
    pub(crate) threads: usize,
    /// Whether to stop looking.
    pub(crate) stop: &'a (dyn Fn() -> bool + Sync),
    /// How much of the time is spent, from 0 to 1.
    pub(crate) spent: &'a (dyn Fn() -> f64 + Sync),
}

/// A better layout for `state`; else why there can be none now.
pub(crate) fn propose(state: &State, search: &Search<'_>) -> Result<RebalanceProposal, String> {
    if state.spec.is_none() {
        return Err("no spec has been applied yet, so there is nothing to lay out better".into());
    }
    if let Some((name, _)) = state.services.iter().find(|(_, record)| record.rollout.is_under_way()) {
        return Err(format!("a rollout of {name} is under way; try again when it is done"));
    }
    if let Some(rebalance) = &state.rebalance {
        let (left, moves) = (rebalance.left.len(), rebalance.moves);
        return Err(format!(
            "a better layout is being carried out already: {left} of {moves} moves are left; let it end, or stop it \
             by `icefield rebalance --stop`"
        ));
    }
    let mut engine = engine(state, Joining::Absent);
    if !engine.solve().changes.is_empty() {
        return Err("replicas are being placed at the moment; try again in a second".into());
    }
    pin_singletons(&mut engine, state);
    let moves = search.moves.unwrap_or_else(|| default_moves(state));
    let effort = Effort {
        seed: state.version,
        threads: search.threads,
        steps: None,
        moves: Some(usize::try_from(moves).unwrap_or(usize::MAX)),
        stop: search.stop,
        spent: Some(search.spent),
    };
    let Improvement { changes, before, after, .. } = engine.improve(&effort, &mut |_| {});
    let (before, after) = (before.points(), after.points());
    Ok(RebalanceProposal { schema: SCHEMA, version: state.version, before, after, changes })
}

/// Has singletons stay where they are: one that moves is nowhere for a while.
fn pin_singletons(engine: &mut Engine, state: &State) {
    let Some(spec) = state.spec.as_deref() else { return };
    let demands = Demands::of(spec);
    for (name, service) in spec.services.iter().filter(|(_, service)| service.unit.is_singleton()) {
        let Some(record) = state.services.get(name) else { continue };
        let placed = state.placed.placement().service(name.as_str());
        let mut wanted = Wanted::default();
        wanted.set(name, placed.map(|(index, assignment)| (index, assignment.node.clone())).collect());
        engine.set_service(name.clone(), demands.make(state, &wanted, name, service, record));
    }
}

/// A tenth of the replicas, and at least ten.
fn default_moves(state: &State) -> u32 {
    u32::try_from(state.placed.placement().len() / 10).unwrap_or(u32::MAX).max(10)
}

/// The changes of a proposal with the ports that they come to, if they still lead to a right placement.
pub(crate) fn check(state: &State, changes: &[Change]) -> Result<Vec<Change>, String> {
    fitting(&mut engine(state, Joining::Absent), state.placed.placement(), changes)
}
