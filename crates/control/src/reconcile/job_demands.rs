use icefield_placement::{Demand, ReplicaId};
use icefield_spec::{Job, Name, Revision};

use super::demands::Demands;
use crate::State;

/// What the demands of a job are made from, besides its declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    revision: Revision,
    /// The attempt that is to be placed or is, and the node that it is on or must be on.
    attempt: Option<(u32, Option<Name>)>,
}

impl Opened {
    /// As the state has it; `None` of a job that it does not know.
    pub(super) fn of(state: &State, name: &Name) -> Option<Self> {
        let record = state.jobs.get(name)?;
        let Some((revision, open)) = record.open() else {
            return Some(Self { revision: record.revision, attempt: None });
        };
        let replica = ReplicaId::new(name.clone(), open.index);
        let placed = state.placed.get(&replica).map(|assignment| &assignment.node);
        let node = placed.or_else(|| state.tied_to(&replica)).cloned();
        Some(Self { revision, attempt: Some((open.index, node)) })
    }

    /// One demand of the attempt, or of none: a job without one is not taken for one that is gone.
    pub(super) fn demands(&self, demands: Demands, state: &State, name: &Name, job: &Job) -> Vec<Demand> {
        let Some(planned) = state.unit(name, self.revision) else { return Vec::new() };
        let indexes = self.attempt.iter().map(|(index, _)| *index).collect();
        let mut demand = demands.demand(self.revision, &planned.unit, &job.as_service(), indexes, None);
        // What runs is never moved: it would begin again from the start.
        if let Some((index, Some(node))) = &self.attempt {
            demand.ties.insert(*index, node.clone());
        }
        vec![demand]
    }
}
