use std::time::Duration;

use icefield_api::{EventKind, NodeState, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::dev_cluster::{DevCluster, all_healthy};
use crate::machine::Machine;
use crate::random::Random;
use crate::{Common, Failure};

/// What came of processes that stood still for a while.
#[derive(Debug, Serialize)]
pub(crate) struct Stall {
    /// The figure.
    name: &'static str,
    /// What was done.
    measures: &'static str,
    /// How often.
    runs: usize,
    /// What was drawn from.
    seed: u64,
    /// How many processes stood still, over all runs.
    stopped_agents: usize,
    stopped_servers: usize,
    /// The longest time that one did, in milliseconds.
    longest_ms: u64,
    /// How often a node was suspect when the processes went on.
    suspects: usize,
    /// How often a node counted as lost: each time falsely.
    pub(crate) false_lost: usize,
    /// Where.
    machine: Machine,
}

/// The longest time that a process stands still, in milliseconds.
const LONGEST: usize = 1_000;

/// Stops agents and servers for a while, any of them together, over and over.
pub(crate) async fn measure(common: &Common, runs: usize, seed: u64) -> Result<Stall, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let mut random = Random::new(seed);
    let mut stall = Stall {
        name: "stall",
        measures: "SIGSTOP of agents and servers, any of them together, each for up to a second; nodes that counted as lost",
        runs,
        seed,
        stopped_agents: 0,
        stopped_servers: 0,
        longest_ms: 0,
        suspects: 0,
        false_lost: 0,
        machine: Machine::this(),
    };
    let mut last = last_event(&cluster).await?;
    for _ in 0..runs {
        cluster.until(is_well).await?;
        tokio::time::sleep(Duration::from_millis(random.below(500) as u64)).await;
        let (servers, agents) = (pids(&cluster, "servers")?, pids(&cluster, "nodes")?);
        let mut stopped: Vec<(u64, Pid)> = Vec::new();
        for (pids, count) in [(servers, &mut stall.stopped_servers), (agents, &mut stall.stopped_agents)] {
            let chosen: Vec<_> = pids.into_iter().filter(|_| random.below(2) == 0).collect();
            *count += chosen.len();
            stopped.extend(chosen.into_iter().map(|pid| (1 + random.below(LONGEST) as u64, pid)));
        }
        stopped.sort_by_key(|(millis, _)| *millis);
        for (_, pid) in &stopped {
            kill_process(*pid, Signal::STOP)?;
        }
        let mut passed = 0;
        for (millis, pid) in stopped {
            tokio::time::sleep(Duration::from_millis(millis - passed)).await;
            passed = millis;
            kill_process(pid, Signal::CONT)?;
        }
        stall.longest_ms = stall.longest_ms.max(passed);
        let status = cluster.until(|status| status.leader.is_some()).await?;
        stall.suspects += status.nodes.iter().filter(|node| node.state == NodeState::Suspect).count();
        cluster.until(is_well).await?;
        let events = cluster.client.events(Some(last), Duration::ZERO).await?.events;
        let lost = |event: &&icefield_api::Event| event.kind == EventKind::Node && event.message.starts_with("lost");
        stall.false_lost += events.iter().filter(lost).count();
        last = events.last().map_or(last, |event| event.number);
    }
    Ok(stall)
}

fn is_well(status: &Status) -> bool {
    all_healthy(status)
        && status.leader.is_some()
        && status.nodes.iter().all(|node| matches!(node.state, NodeState::Ready))
}

async fn last_event(cluster: &DevCluster) -> Result<u64, Failure> {
    let events = cluster.client.events(None, Duration::ZERO).await?.events;
    Ok(events.last().map_or(0, |event| event.number))
}

/// The processes of one kind.
fn pids(cluster: &DevCluster, kind: &str) -> Result<Vec<Pid>, Failure> {
    let processes = cluster.processes()?;
    let all = processes[kind].as_array().ok_or_else(|| format!("no {kind} run"))?;
    let pid = |one: &serde_json::Value| Pid::from_raw(i32::try_from(one["pid"].as_u64()?).ok()?);
    Ok(all.iter().filter_map(pid).collect())
}
