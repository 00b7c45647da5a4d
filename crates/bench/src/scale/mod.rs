mod agent;
mod fleet;

use std::sync::Arc;
use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, Status};
use icefield_spec::{Name, Spec};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use self::agent::Agent;
use self::fleet::Fleet;
use crate::machine::Machine;
use crate::server_group::{ServerGroup, resident_kib};
use crate::{Common, Failure};

/// The size of what is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// How many agents
    #[arg(long, default_value_t = 5_000)]
    nodes: u32,
    /// How many replicas, of a service for each 500
    #[arg(long, default_value_t = 50_000)]
    replicas: u32,
    /// How long to look at the servers once nothing changes any more
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// Three servers under a large fleet.
#[derive(Debug, Serialize)]
pub(crate) struct Scale {
    name: &'static str,
    measures: &'static str,
    agents: u32,
    replicas: u32,
    /// Until all agents were registered, which the log carries.
    registered_seconds: f64,
    /// From the apply until the agents had been told of all replicas, so all were placed and committed.
    placed_seconds: f64,
    placements_per_second: f64,
    goal_placements_per_second: f64,
    /// From the apply until the status said that all replicas are healthy.
    healthy_seconds: f64,
    steady: Steady,
    /// Requests of agents that failed, from the first to the last.
    failed_requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure: Option<String>,
    pub(crate) met: bool,
    machine: Machine,
}

/// The servers while nothing changes.
#[derive(Debug, Serialize)]
struct Steady {
    seconds: f64,
    heartbeats: u64,
    heartbeats_per_second: f64,
    heartbeat_p99_ms: f64,
    /// Of one core, in percent, each server.
    cpu_percent: Vec<f64>,
    goal_cpu_percent: f64,
    /// Each server.
    resident_mib: Vec<f64>,
    goal_resident_mib: f64,
}

const PLACEMENTS_PER_SECOND: f64 = 20_000.0;
const CPU_PERCENT: f64 = 25.0;
const RESIDENT_MIB: f64 = 512.0;

/// How long any of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked how far things have come.
const LOOK: Duration = Duration::from_millis(5);

/// How long after the last change the servers are left alone before they are looked at.
const CALM: Duration = Duration::from_secs(5);

/// How many agents begin at a time, so that no more connections are opened at once than a system lets wait.
const TOGETHER: usize = 100;

/// What Linux counts processor time in for programs, in milliseconds, on all of its usual architectures.
const TICK_MS: u64 = 10;

pub(crate) async fn measure(common: &Common, arguments: Arguments) -> Result<Scale, Failure> {
    let Arguments { nodes, replicas, seconds } = arguments;
    allow_connections()?;
    let servers = ServerGroup::start(common).await?;
    servers.client.apply(&ApplyRequest::whatever_is_there(spec(nodes, 0)?)).await?;
    let fleet = Arc::new(Fleet::new(servers.addresses.clone()));
    fleet.prefer(&servers.leader().await?);

    let began = Instant::now();
    let mut agents = JoinSet::new();
    for number in 1..=nodes {
        agents.spawn(Agent::new(Name::new(&format!("n-{number}"))?, Arc::clone(&fleet)).run());
        if (number as usize).is_multiple_of(TOGETHER) {
            until(&fleet, |fleet| fleet.agents() + TOGETHER >= number as usize).await?;
        }
    }
    until(&fleet, |fleet| fleet.agents() >= nodes as usize).await?;
    let registered_seconds = began.elapsed().as_secs_f64();

    let began = Instant::now();
    servers.client.apply(&ApplyRequest::whatever_is_there(spec(nodes, replicas)?)).await?;
    until(&fleet, |fleet| fleet.replicas() == replicas as usize).await?;
    let placed_seconds = began.elapsed().as_secs_f64();
    until_healthy(&servers).await?;
    let healthy_seconds = began.elapsed().as_secs_f64();

    tokio::time::sleep(CALM).await;
    let steady = steady(&servers, &fleet, Duration::from_secs(seconds)).await?;
    agents.shutdown().await;
    let (failed_requests, first_failure) = fleet.failures();
    let placements_per_second = f64::from(replicas) / placed_seconds;
    let met = placements_per_second >= PLACEMENTS_PER_SECOND
        && failed_requests == 0
        && steady.cpu_percent.iter().all(|percent| *percent <= CPU_PERCENT)
        && steady.resident_mib.iter().all(|mib| *mib <= RESIDENT_MIB);
    Ok(Scale {
        name: "scale",
        measures: "simulated agents with the real protocol, in one process, and three servers, all on this machine",
        agents: nodes,
        replicas,
        registered_seconds,
        placed_seconds,
        placements_per_second,
        goal_placements_per_second: PLACEMENTS_PER_SECOND,
        healthy_seconds,
        steady,
        failed_requests,
        first_failure,
        met,
        machine: Machine::this(),
    })
}

/// Each agent has two connections.
fn allow_connections() -> Result<(), Failure> {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    Ok(setrlimit(Resource::Nofile, files)?)
}

async fn steady(servers: &ServerGroup, fleet: &Fleet, length: Duration) -> Result<Steady, Failure> {
    drop(fleet.take_heartbeats());
    let pids = servers.pids();
    let before: Vec<Duration> = pids.iter().map(|pid| cpu_time(*pid)).collect::<Result<_, _>>()?;
    let began = Instant::now();
    tokio::time::sleep(length).await;
    let (seconds, mut heartbeats) = (began.elapsed().as_secs_f64(), fleet.take_heartbeats());
    let mut cpu_percent = Vec::new();
    for (pid, before) in pids.iter().zip(before) {
        cpu_percent.push((cpu_time(*pid)? - before).as_secs_f64() / seconds * 100.0);
    }
    let resident = pids.iter().map(|pid| Ok(resident_kib(*pid)? as f64 / 1024.0));
    Ok(Steady {
        seconds,
        heartbeats: heartbeats.answered,
        heartbeats_per_second: heartbeats.answered as f64 / seconds,
        heartbeat_p99_ms: heartbeats.p99_ms(),
        cpu_percent,
        goal_cpu_percent: CPU_PERCENT,
        resident_mib: resident.collect::<Result<_, Failure>>()?,
        goal_resident_mib: RESIDENT_MIB,
    })
}

/// A pool, and services with rules of the usual kinds.
fn spec(nodes: u32, replicas: u32) -> Result<Spec, Failure> {
    let service = |number: u32| {
        let service = json!({
            "replicas": 500.min(replicas - number * 500),
            "unit": {
                "run": { "kind": "exec", "command": ["sleep", "1000"] },
                "cpu": "100m",
                "memory": "128MiB",
                "ports": { "http": "dynamic" },
            },
            "rules": { "spread": [{ "label": "node", "max": 1 }] },
        });
        (format!("s-{number}"), service)
    };
    let services: serde_json::Map<_, _> = (0..replicas.div_ceil(500)).map(service).collect();
    Ok(serde_json::from_value(json!({
        "schema": 1,
        "cluster": "scale",
        "pools": { "n": { "count": nodes, "machine": { "cpu": "16", "memory": "64GiB" } } },
        "services": services,
    }))?)
}

async fn until(fleet: &Fleet, is_so: impl Fn(&Fleet) -> bool) -> Result<(), Failure> {
    let began = Instant::now();
    while !is_so(fleet) {
        if began.elapsed() > PATIENCE {
            let (agents, replicas, failure) = (fleet.agents(), fleet.replicas(), fleet.failures().1);
            return Err(format!(
                "after {} s {agents} agents are registered and {replicas} replicas placed; the first failure: {}",
                PATIENCE.as_secs(),
                failure.as_deref().unwrap_or("none")
            )
            .into());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn until_healthy(servers: &ServerGroup) -> Result<(), Failure> {
    let began = Instant::now();
    let healthy = |status: &Status| status.services.iter().all(|service| service.healthy == service.desired);
    while !healthy(&servers.client.status(None, Duration::ZERO).await?) {
        if began.elapsed() > PATIENCE {
            return Err("the replicas were not all reported as healthy in time".into());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// The processor time that a process has used.
fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).ok_or("a line without a name")?;
    let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * TICK_MS))
}
