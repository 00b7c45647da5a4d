use std::collections::BTreeMap;

use icefield_api::{ReplicaReport, ReplicaState};
use icefield_plan::ReplicaId;
use icefield_spec::Millis;

use super::replica::{Phase, Replica};
use super::{Event, Found, Moment, Timings};

/// What an agent knows of its replicas.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub(super) replicas: BTreeMap<ReplicaId, Replica>,
    pub(super) timings: Timings,
    /// Until when singletons may be started.
    pub(super) fence: Moment,
    /// The replicas that cannot be started for now, and what they wait for.
    pub(super) held: BTreeMap<ReplicaId, String>,
    /// What there is to say of running replicas besides.
    remarks: BTreeMap<ReplicaId, String>,
}

impl Local {
    pub(crate) const fn new(timings: Timings) -> Self {
        Self {
            replicas: BTreeMap::new(),
            timings,
            fence: Moment::ZERO,
            held: BTreeMap::new(),
            remarks: BTreeMap::new(),
        }
    }

    /// Takes over what an earlier agent left of a replica.
    pub(crate) fn find(&mut self, id: ReplicaId, found: Found, now: Moment) {
        self.replicas.insert(id, Replica::found(found, now));
    }

    /// Takes note that singletons may run until `until`.
    pub(crate) fn permit_singletons(&mut self, until: Moment) {
        self.fence = self.fence.max(until);
    }

    /// Takes note of which replicas cannot be started for now, and what they wait for. What runs goes on, also if something
    /// else is wanted.
    pub(crate) fn hold(&mut self, held: BTreeMap<ReplicaId, String>) {
        self.held = held;
    }

    /// What a replica waits for that cannot be started for now.
    pub(crate) fn held(&self, id: &ReplicaId) -> Option<&String> {
        self.held.get(id)
    }

    /// Has a running replica started anew.
    pub(crate) fn renew(&mut self, id: &ReplicaId) {
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.renew = matches!(replica.phase, Phase::Up { .. });
        }
    }

    /// Takes note of something to say of a replica, or that there is nothing any more.
    pub(crate) fn remark(&mut self, id: &ReplicaId, remark: Option<String>) {
        match remark {
            Some(remark) => drop(self.remarks.insert(id.clone(), remark)),
            None => drop(self.remarks.remove(id)),
        }
    }

    /// Takes note of what has happened to a replica.
    pub(crate) fn note(&mut self, id: &ReplicaId, event: Event, now: Moment) {
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.note(event, &self.timings, now);
        }
    }

    /// How often the replica was started anew.
    pub(crate) fn restarts(&self, id: &ReplicaId) -> u32 {
        self.replicas.get(id).map_or(0, |replica| replica.restarts)
    }

    /// Whether the replica is healthy.
    pub(crate) fn is_healthy(&self, id: &ReplicaId) -> bool {
        self.replicas.get(id).is_some_and(|replica| replica.state() == ReplicaState::Healthy)
    }

    /// The replicas that are healthy.
    pub(crate) fn healthy(&self) -> impl Iterator<Item = &ReplicaId> {
        let healthy = self.replicas.iter().filter(|(_, replica)| replica.state() == ReplicaState::Healthy);
        healthy.map(|(id, _)| id)
    }

    /// Whether no replica has a process.
    pub(crate) fn is_quiet(&self) -> bool {
        self.replicas.values().all(|replica| matches!(replica.phase, Phase::Down { .. }))
    }

    /// Every replica with the moment since when it has been in its state; `ReplicaReport::since` is left at zero.
    pub(crate) fn report(&mut self, now: Moment) -> Vec<(Moment, ReplicaReport)> {
        let (held, remarks) = (&self.held, &self.remarks);
        let report = |(id, replica): (&ReplicaId, &mut Replica)| {
            let waits = held.get(id);
            let revision = replica.incarnation.as_ref().or(replica.wanted.as_ref())?.revision;
            let since = replica.since(now);
            let report = ReplicaReport {
                replica: id.clone(),
                revision,
                state: replica.state(),
                pid: replica.pid(),
                since: Millis::default(),
                restarts: replica.restarts,
                message: waits.or_else(|| remarks.get(id)).cloned().or_else(|| replica.message()),
                exit: replica.exit(),
            };
            Some((since, report))
        };
        self.replicas.iter_mut().filter_map(report).collect()
    }
}
