use console::{StyledObject, style};
use icefield_api::{NodeState, ReplicaState, ServiceStatus, Status};

use crate::render::event::time;
use crate::render::rollout_state::rollout_state;
use crate::render::{Table, bases, jobs, nodes};

/// Everything about a cluster in at most `rows` lines: replicas are left out before services and nodes are.
pub(crate) fn status(status: &Status, rows: usize) -> String {
    let head = head(status);
    let services = services(&status.services);
    let jobs = jobs(&status.jobs);
    let bases = bases(&status.bases);
    let nodes = nodes(&status.nodes);
    let replicas = replicas(&status.services);
    let blocks = |parts: &[&str]| {
        let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    };
    let whole = blocks(&[&head, &services, &jobs, &replicas, &bases, &nodes]);
    if whole.lines().count() <= rows {
        return whole;
    }
    let without_replicas = blocks(&[&head, &services, &jobs, &bases, &nodes]);
    if without_replicas.lines().count() <= rows {
        return without_replicas;
    }
    let mut cut: Vec<&str> = without_replicas.lines().take(rows.saturating_sub(1)).collect();
    cut.push("…");
    cut.iter().map(|line| format!("{line}\n")).collect()
}

fn head(status: &Status) -> String {
    let ready = status.nodes.iter().filter(|node| node.state == NodeState::Ready).count();
    let cluster = status.cluster.as_ref().map_or("no spec applied yet".to_owned(), |name| format!("cluster {name}"));
    let leader = status.leader.as_deref().unwrap_or("none");
    let servers = status.servers.len();
    let moving = status.rebalance.map_or(String::new(), |rebalance| {
        format!("rebalancing: {} of {} moves left\n", rebalance.left, rebalance.moves)
    });
    let held = status.hold.as_ref().map_or(String::new(), |hold| {
        let nodes: Vec<&str> = hold.nodes.iter().map(|node| node.as_str()).collect();
        format!(
            "{}: {} silent together since {}; likelier the network than they, so nothing of theirs is replaced before {}\n",
            style("held").yellow(),
            nodes.join(", "),
            time(hold.since, "%H:%M:%S"),
            time(hold.until, "%H:%M:%S")
        )
    });
    format!(
        "{} · {ready}/{} nodes ready · leader {leader} of {servers} · {}\n{moving}{held}",
        style(cluster).bold(),
        status.nodes.len(),
        status.api
    )
}

/// A line for each service.
pub(crate) fn services(services: &[ServiceStatus]) -> String {
    if services.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["SERVICE", "HEALTHY", "NAMESPACE", "PRIORITY", "REVISION", "ROLLOUT", "NOTE"]);
    for service in services {
        let healthy = match service.unknown {
            0 => format!("{}/{}", service.healthy, service.desired),
            _ => format!("?/{}", service.desired),
        };
        let healthy = match service.healthy {
            _ if service.unknown > 0 => style(healthy).yellow(),
            n if n >= service.desired => style(healthy).green(),
            0 => style(healthy).red(),
            _ => style(healthy).yellow(),
        };
        let (rollout, note) = match &service.rollout {
            Some(rollout) => (rollout_state(rollout.state).to_string(), rollout.message.clone()),
            None => (String::new(), String::new()),
        };
        let healthy = if service.daemon { format!("{healthy} daemon") } else { healthy.to_string() };
        table.row([
            service.name.to_string(),
            healthy,
            service.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
            if service.priority == 0 { String::new() } else { service.priority.to_string() },
            service.revision.short(),
            rollout,
            note,
        ]);
    }
    table.render()
}

/// A line for each replica.
pub(crate) fn replicas(services: &[ServiceStatus]) -> String {
    if services.iter().all(|service| service.replicas.is_empty()) {
        return String::new();
    }
    let mut table = Table::new(["REPLICA", "NODE", "STATE", "PID", "PORTS", "RESTARTS", "NOTE"]);
    for service in services {
        for replica in &service.replicas {
            let ports: Vec<String> = replica.ports.iter().map(|(name, port)| format!("{name}={port}")).collect();
            table.row([
                format!("{}/{}", service.name, replica.index),
                replica.node.as_ref().map(ToString::to_string).unwrap_or_default(),
                replica_state(replica.state).to_string(),
                replica.pid.map(|pid| pid.to_string()).unwrap_or_default(),
                ports.join(" "),
                if replica.restarts > 0 { replica.restarts.to_string() } else { String::new() },
                replica.message.clone().unwrap_or_default(),
            ]);
        }
    }
    table.render()
}

fn replica_state(state: ReplicaState) -> StyledObject<ReplicaState> {
    match state {
        ReplicaState::Healthy | ReplicaState::Completed => style(state).green(),
        ReplicaState::Unhealthy | ReplicaState::Failed => style(state).red(),
        _ => style(state).yellow(),
    }
}
