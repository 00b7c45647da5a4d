use std::collections::BTreeMap;

use icefield_placement::{Assignment, Demand};
use icefield_spec::{Amount, Bytes, Name, Revision, Service, Spec, Unit};

use super::objective::machines;
use super::wanted::Wanted;
use crate::State;
use crate::state::ServiceRecord;

/// The resource of nodes that volumes take their size from.
const DISK: &str = "disk";

/// How the replicas of services become demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Demands {
    /// Whether the sizes of volumes count. They do if any machine declares a disk; a fleet that declares none leaves it
    /// to people to see that there is room.
    pub(super) volumes_count: bool,
}

impl Demands {
    pub(super) fn of(spec: &Spec) -> Self {
        Self { volumes_count: machines(spec).any(|machine| machine.resources.contains_key(DISK)) }
    }

    /// One demand for each revision that replicas of the service are to have now, and one for each that others beside them
    /// are to have; at least one, so that a service of no replicas is not taken for one that is gone.
    pub(super) fn make(
        self,
        state: &State,
        wanted: &Wanted,
        name: &Name,
        service: &Service,
        record: &ServiceRecord,
    ) -> Vec<Demand> {
        let ties = wanted.nodes(name).or_else(|| state.ties.service(name.as_str()));
        let mut alike: BTreeMap<(bool, Revision), Vec<u32>> = BTreeMap::from([((false, record.target), Vec::new())]);
        if record.rollout.is_over() {
            alike.insert((false, record.target), wanted.own(name, service, record));
        } else if !record.is_held_back() {
            let current: BTreeMap<u32, &Assignment> = state.placed.placement().service(name.as_str()).collect();
            for index in wanted.all(name, service, record) {
                let has = current.get(&index).map(|assignment| assignment.revision);
                let is_beside = record.rollout.is_beside(index);
                alike.entry((is_beside, record.wanted(index, has))).or_default().push(index);
            }
        }
        let demand = |((beside, revision), indexes): ((bool, Revision), Vec<u32>)| {
            let unit = &record.units.get(&revision)?.unit;
            Some(Demand { beside, ..self.demand(revision, unit, service, indexes, ties) })
        };
        alike.into_iter().filter_map(demand).collect()
    }

    /// What replicas of one revision ask for; `ties` may name more replicas than these.
    pub(super) fn demand(
        self,
        revision: Revision,
        unit: &Unit,
        service: &Service,
        indexes: Vec<u32>,
        ties: Option<&BTreeMap<u32, Name>>,
    ) -> Demand {
        let mut demand = Demand::new(revision, unit, service, indexes);
        if let Some(ties) = ties {
            let tied = demand.indexes.iter().filter_map(|index| Some((*index, ties.get(index)?.clone())));
            demand.ties = tied.collect();
        }
        let sizes = unit.volumes.values().filter_map(|volume| volume.size);
        let size = sizes.fold(0_u64, |sum, size| sum.saturating_add(size.get()));
        if self.volumes_count && size > 0 {
            let disk = demand.resources.entry(DISK.into()).or_insert(Amount::Bytes(Bytes::default()));
            *disk = disk.like(disk.get().saturating_add(size).min(Amount::MAX));
        }
        demand
    }
}
