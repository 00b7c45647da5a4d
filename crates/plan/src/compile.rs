use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_placement::{Assignment, Placement, ReplicaId};
use icefield_spec::{FleetNode, Name, Revision, Spec, Unit};

use crate::{NodePlan, PLAN_SCHEMA, PlannedReplica, PlannedUnit};

/// What node plans are made from, besides the placement.
#[derive(Debug, Clone)]
pub struct Fleet<'a> {
    /// The spec in force.
    pub spec: &'a Spec,
    /// The unit of every service revision that is placed anywhere: during a rollout a service has two.
    pub units: &'a BTreeMap<Revision, PlannedUnit>,
    /// Addresses that nodes registered with; they take precedence over declared ones.
    pub addresses: &'a BTreeMap<Name, String>,
}

impl Fleet<'_> {
    /// The address of a node: as registered, else as declared, else its name.
    pub fn address(&self, node: &FleetNode<'_>) -> String {
        let registered = self.addresses.get(&node.name).map(String::as_str);
        registered.or(node.address).unwrap_or(node.name.as_str()).to_owned()
    }
}

/// The unit of each service and job of `spec`, by revision: what [`Fleet::units`] is when nothing is being rolled out.
///
/// Services whose units are equal share a revision, and so an entry: that of the first by name.
pub fn units_of(spec: &Spec) -> BTreeMap<Revision, PlannedUnit> {
    let unit = |(name, service): (&Name, &icefield_spec::Service)| {
        (service.revision(), PlannedUnit { service: name.clone(), unit: Arc::<Unit>::new(service.unit.clone()) })
    };
    let attempt = |(name, job): (&Name, &icefield_spec::Job)| {
        (job.revision(), PlannedUnit { service: name.clone(), unit: Arc::new(job.attempt_unit()) })
    };
    // Backwards, so that the first of equal units is the one that stays.
    spec.services.iter().rev().map(unit).chain(spec.jobs.iter().rev().map(attempt)).collect()
}

/// The plan of one node, from the replicas that are on it.
///
/// A replica whose revision is not among the fleet's units is left out: nothing could start it.
pub fn node_plan<'a>(
    fleet: &Fleet<'_>,
    node: &FleetNode<'_>,
    replicas: impl IntoIterator<Item = (ReplicaId, &'a Assignment)>,
) -> NodePlan {
    let mut plan = NodePlan {
        schema: PLAN_SCHEMA,
        cluster: fleet.spec.cluster.clone(),
        node: node.name.clone(),
        address: fleet.address(node),
        system: node.machine.system.clone(),
        base: node.machine.base.clone(),
        // Which node has come how far is not declared.
        nixos: None,
        units: BTreeMap::new(),
        replicas: BTreeMap::new(),
    };
    for (replica, assignment) in replicas {
        let Some(unit) = fleet.units.get(&assignment.revision) else { continue };
        let entry = plan.units.entry(assignment.revision);
        // Services with equal units share a revision. Which of them the entry names follows from this node's replicas
        // alone, else a change of a service elsewhere would change this plan's hash.
        let planned =
            entry.or_insert_with(|| PlannedUnit { service: replica.service.clone(), unit: Arc::clone(&unit.unit) });
        if replica.service < planned.service {
            planned.service = replica.service.clone();
        }
        let wiring = PlannedReplica { revision: assignment.revision, ports: assignment.ports.clone() };
        plan.replicas.insert(replica, wiring);
    }
    plan
}

/// The plans of all declared nodes, in the fleet's order.
pub fn compile(fleet: &Fleet<'_>, placement: &Placement) -> Vec<NodePlan> {
    let mut by_node: BTreeMap<&Name, Vec<(ReplicaId, &Assignment)>> = BTreeMap::new();
    for (replica, assignment) in placement.iter() {
        by_node.entry(&assignment.node).or_default().push((replica, assignment));
    }
    let plan = |node: FleetNode<'_>| {
        let replicas = by_node.remove(&node.name).unwrap_or_default();
        node_plan(fleet, &node, replicas)
    };
    fleet.spec.fleet().map(plan).collect()
}
