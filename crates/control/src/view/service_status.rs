use std::collections::BTreeMap;

use icefield_api::{ReplicaReport, ReplicaState, ReplicaStatus, RolloutState, RolloutStatus, ServiceStatus};
use icefield_placement::{Assignment, ReplicaId};
use icefield_spec::Name;

use crate::State;
use crate::count::count;
use crate::observe::Observations;
use crate::reconcile::{Wanted, unmet, waits_for};
use crate::state::ServiceRecord;

/// One service; `None` if there is nothing of that name.
pub(super) fn service_status(
    state: &State,
    seen: &Observations,
    wanted: &Wanted,
    name: &Name,
    leftovers: &[(&Name, &ReplicaReport)],
) -> Option<ServiceStatus> {
    let record = state.services.get(name);
    let revision =
        record.map(|record| record.target).or_else(|| leftovers.first().map(|(_, report)| report.revision))?;
    let declared = state.spec.as_ref().and_then(|spec| spec.services.get(name));
    let indexes = declared.map_or_else(Vec::new, |service| wanted.indexes(name, service));
    let placed: BTreeMap<u32, &Assignment> = state.placed.placement().service(name.as_str()).collect();
    let beyond = placed.keys().copied().filter(|index| indexes.binary_search(index).is_err());
    let row = |index: u32| {
        let replica = ReplicaId::new(name.clone(), index);
        match placed.get(&index) {
            Some(assignment) => placed_row(state, seen, &replica, assignment),
            None => unplaced_row(state, seen, &replica, record),
        }
    };
    let mut replicas: Vec<ReplicaStatus> = indexes.iter().copied().chain(beyond).map(row).collect();
    let counted = |test: &dyn Fn(&ReplicaStatus) -> bool| replicas.iter().filter(|row| test(row)).count() as u32;
    let healthy = |row: &ReplicaStatus| row.state == ReplicaState::Healthy;
    let mut status = ServiceStatus {
        name: name.clone(),
        revision,
        daemon: declared.is_some_and(|service| service.daemon),
        namespace: declared.and_then(|service| service.namespace.clone()),
        priority: declared.map_or(0, |service| service.priority),
        desired: u32::try_from(indexes.len()).unwrap_or(u32::MAX),
        running: counted(&|row| row.state.is_running()),
        healthy: counted(&healthy),
        updated: counted(&|row| healthy(row) && row.revision == Some(revision)),
        unknown: 0,
        rollout: record.map(|record| rollout_status(state, seen, wanted, name, record)),
        replicas: Vec::new(),
    };
    replicas.extend(leftovers.iter().map(|(node, report)| leftover_row(node, report)));
    // Stable, so that what is left over comes after what is to be there.
    replicas.sort_by_key(|row| row.index);
    status.replicas = replicas;
    Some(status)
}

fn placed_row(state: &State, seen: &Observations, replica: &ReplicaId, assignment: &Assignment) -> ReplicaStatus {
    let node = &assignment.node;
    let pending = |message: String| ReplicaStatus {
        index: replica.index,
        node: Some(node.clone()),
        state: ReplicaState::Pending,
        pid: None,
        ports: assignment.ports.clone(),
        revision: Some(assignment.revision),
        restarts: 0,
        message: Some(message),
    };
    if state.nodes.get(node).is_some_and(|record| record.lost) {
        return pending(format!("{node} is lost"));
    }
    if seen.sight(node.as_str()).is_none() {
        return pending(format!("{node} has not been heard of since this server leads"));
    }
    match seen.report(node.as_str(), replica) {
        None => pending(format!("{node} has not taken it up yet")),
        Some(report) => reported_row(node, report, assignment.ports.clone()),
    }
}

fn reported_row(node: &Name, report: &ReplicaReport, ports: BTreeMap<Name, u16>) -> ReplicaStatus {
    ReplicaStatus {
        index: report.replica.index,
        node: Some(node.clone()),
        state: report.state,
        pid: report.pid,
        ports,
        revision: Some(report.revision),
        restarts: report.restarts,
        message: report.message.clone(),
    }
}

/// A replica that a node has though it is not placed there: whatever it does, it is to stop.
fn leftover_row(node: &Name, report: &ReplicaReport) -> ReplicaStatus {
    let mut row = reported_row(node, report, BTreeMap::new());
    row.state = ReplicaState::Stopping;
    row
}

fn unplaced_row(
    state: &State,
    seen: &Observations,
    replica: &ReplicaId,
    record: Option<&ServiceRecord>,
) -> ReplicaStatus {
    let held = state.holders.get(replica).map(|node| format!("waits until {node} has surely stopped it"));
    let message = seen.unplaced(replica).map(|reasons| {
        let rules = reasons.iter().map(|reason| format!("{} ({})", reason.rule, count(reason.nodes, "node")));
        let rules = rules.collect::<Vec<_>>().join(", ");
        // What keeps most nodes from it is most likely what is worth changing.
        let helping = reasons.iter().rev().filter(|reason| !reason.fix.is_empty());
        match helping.max_by_key(|reason| reason.nodes) {
            Some(reason) => format!("fits on no node: {rules}; {}", reason.fix),
            None => format!("fits on no node: {rules}"),
        }
    });
    let message = message.or(held);
    ReplicaStatus {
        index: replica.index,
        node: None,
        state: ReplicaState::Pending,
        pid: None,
        ports: BTreeMap::new(),
        revision: record.map(|record| record.wanted(replica.index, None)),
        restarts: 0,
        message,
    }
}

fn rollout_status(
    state: &State,
    seen: &Observations,
    wanted: &Wanted,
    name: &Name,
    record: &ServiceRecord,
) -> RolloutStatus {
    let rollout = &record.rollout;
    let service = state.spec.as_ref().and_then(|spec| spec.services.get(name));
    let waits = || {
        if let Some(unmet) = unmet(state, &service?.after) {
            return Some(format!("waits for {}", unmet.words()));
        }
        let (replica, last) = waits_for(state, seen, wanted, name, service?)?;
        Some(format!("waits for {replica} ({last})"))
    };
    let message = match rollout.state {
        RolloutState::Progressing => waits().unwrap_or_default(),
        _ => rollout.message.clone(),
    };
    RolloutStatus { from: rollout.from, to: rollout.to, state: rollout.state, message }
}
