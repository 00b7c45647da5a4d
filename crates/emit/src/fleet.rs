use std::collections::{BTreeMap, BTreeSet};

use icefield_placement::ReplicaId;
use icefield_plan::{Endpoint, NodePlan, PlannedReplica, endpoints_in};
use icefield_spec::{Job, Name, Revision, Spec, Unit};

use crate::{EmitError, File, check};

/// A cluster as every target sees it: the spec, and what its plans have in common.
pub(crate) struct Fleet<'a> {
    pub(crate) spec: &'a Spec,
    /// Every service revision: the spec's own, and those that are still on some node. By service, then revision.
    pub(crate) services: BTreeMap<(&'a Name, Revision), ServiceRevision<'a>>,
    /// The current revision of each service.
    current: BTreeMap<&'a Name, Revision>,
    /// The endpoints of each service that another uses.
    endpoints: BTreeMap<&'a Name, Vec<Endpoint>>,
}

/// One revision of a service.
pub(crate) struct ServiceRevision<'a> {
    pub(crate) service: &'a Name,
    pub(crate) revision: Revision,
    pub(crate) unit: &'a Unit,
    /// What it is beyond its unit, if it is a job.
    pub(crate) job: Option<&'a Job>,
    /// What its files are called: the service's name, and for all but the current revision also the revision. The dot
    /// between them cannot be part of a name, so no two services have files of one name.
    pub(crate) key: String,
}

/// The replicas of one service revision on one node.
pub(crate) struct Group<'p, 'a> {
    pub(crate) service: &'p ServiceRevision<'a>,
    pub(crate) replicas: Vec<(u32, &'p PlannedReplica)>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(spec: &'a Spec, plans: &'a [NodePlan]) -> Result<Self, EmitError> {
        let mut services = BTreeMap::new();
        let mut current = BTreeMap::new();
        for (service, declared) in &spec.services {
            let (revision, key) = (declared.revision(), service.to_string());
            current.insert(service, revision);
            let known = ServiceRevision { service, revision, unit: &declared.unit, job: None, key };
            services.insert((service, revision), known);
        }
        current.extend(spec.jobs.iter().map(|(name, job)| (name, job.revision())));
        for plan in plans {
            check::address(plan)?;
            for (replica, planned) in &plan.replicas {
                let (service, revision) = (&replica.service, planned.revision);
                if services.contains_key(&(service, revision)) {
                    continue;
                }
                let unit = &plan.units.get(&revision).ok_or_else(|| no_unit(plan, replica))?.unit;
                let job = spec.jobs.get(service);
                let key = match current.get(service) == Some(&revision) {
                    true => service.to_string(),
                    false => format!("{service}.{}", revision.short()),
                };
                services.insert((service, revision), ServiceRevision { service, revision, unit, job, key });
            }
        }
        for service in services.values() {
            check::unit(service.service, service.unit)?;
        }
        let used: BTreeSet<&'a Name> = services.values().flat_map(|service| &service.unit.uses).collect();
        let mut all = endpoints_in(plans);
        let endpoints = used.into_iter().map(|used| (used, all.remove(used).unwrap_or_default())).collect();
        Ok(Self { spec, services, current, endpoints })
    }

    /// The replicas of a node by service and revision; a service's current revision comes first.
    pub(crate) fn groups<'p>(&'p self, plan: &'p NodePlan) -> Result<Vec<Group<'p, 'a>>, EmitError> {
        let mut groups: Vec<Group<'p, 'a>> = Vec::new();
        for (id, replica) in &plan.replicas {
            let known = self.services.get(&(&id.service, replica.revision)).ok_or_else(|| no_unit(plan, id))?;
            let same = |group: &&mut Group<'_, '_>| std::ptr::eq(group.service, known);
            // A node has few revisions of one service, and they are the last groups.
            match groups.iter_mut().rev().take_while(|group| group.service.service == known.service).find(same) {
                Some(group) => group.replicas.push((id.index, replica)),
                None => groups.push(Group { service: known, replicas: vec![(id.index, replica)] }),
            }
        }
        groups.sort_by_key(|group| (group.service.service, !self.is_current(group.service)));
        Ok(groups)
    }

    pub(crate) fn is_current(&self, service: &ServiceRevision<'_>) -> bool {
        self.current.get(service.service) == Some(&service.revision)
    }

    /// A file with the endpoints of each service that another uses.
    ///
    /// They stand beside the nodes and not in them: a thousand nodes that use a service of a thousand replicas would
    /// otherwise hold a million endpoints.
    pub(crate) fn endpoint_files(&self) -> impl Iterator<Item = File> {
        self.endpoints
            .iter()
            .map(|(service, endpoints)| File::new(format!("endpoints/{service}.json"), json(endpoints)))
    }
}

/// `value` as JSON for people, with a newline at its end.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("declared types can be written as JSON");
    text.push('\n');
    text
}

fn no_unit(plan: &NodePlan, replica: &ReplicaId) -> EmitError {
    EmitError::NoUnit { node: plan.node.clone(), replica: replica.clone() }
}
