mod naps;
mod serf;
mod usage;

use std::fs;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::naps::Naps;
use self::usage::{Usage, Used};
use crate::dev_cluster::{DevCluster, all_healthy};
use crate::machine::Machine;
use crate::{Common, Failure};

/// What agents cost to which nothing happens.
#[derive(Debug, Serialize)]
pub(crate) struct AgentIdle {
    /// The figure.
    name: &'static str,
    /// What was measured.
    measures: &'static str,
    /// For how long.
    seconds: u64,
    /// The agent of a node that has no replicas.
    idle: Used,
    /// The agent of a node with two replicas, each asked for its health over HTTP once a second.
    probing: Used,
    /// How much of one core a thread used that was woken four times a second and did nothing, in percent.
    naps_cpu_percent: f64,
    /// Three agents of serf, which keep nothing but their group, in the same time: the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    serf: Option<Used>,
    /// Which version of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    serf_version: Option<String>,
    /// What the memory of both agents, and the processor time of the one without replicas, are to stay within.
    goal_mib: f64,
    goal_cpu_percent: f64,
    /// Whether they do.
    met: bool,
    /// Where.
    machine: Machine,
}

const GOAL_MIB: f64 = 20.0;
const GOAL_CPU: f64 = 0.1;

/// Nothing fits on the node `idle`.
const CLUSTER: &str = r#"
cluster("rest")
node("probing", cpu = 2, memory = "1GiB")
node("idle", cpu = "1m", memory = "1MiB")
service("web",
    run = exec(["python3", "-m", "http.server", "--bind", "$ICEFIELD_ADDRESS", "$PORT_HTTP"]),
    replicas = 2, cpu = "250m", memory = "64MiB",
    ports = {"http": dynamic()}, health = http("/", port = "http", every = "1s"))
"#;

/// Looks for so many seconds at two agents; with `serf` also at three of that.
pub(crate) async fn measure(common: &Common, seconds: u64, serf: bool) -> Result<AgentIdle, Failure> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("icefield.star");
    fs::write(&file, CLUSTER)?;
    let cluster = DevCluster::of(common, &file)?;
    let group = if serf { Some(serf::Group::start().await?) } else { None };
    cluster.until(all_healthy).await?;
    let processes = cluster.processes()?;
    let agent = |node: &str| -> Result<u64, Failure> {
        let agents = processes["nodes"].as_array().ok_or("no agents run")?;
        let pid = agents.iter().find(|one| one["name"] == node).and_then(|one| one["pid"].as_u64());
        Ok(pid.ok_or("an agent has no process")?)
    };
    let mut pids = vec![agent("idle")?, agent("probing")?];
    pids.extend(group.iter().flat_map(serf::Group::pids));
    let look = || pids.iter().map(|pid| Usage::of(*pid)).collect::<Result<Vec<_>, _>>();
    let naps = Naps::start()?;
    // What starting costs is not of interest.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (before, napped, began) = (look()?, naps.time()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (look()?, began.elapsed().as_secs_f64());
    let napped = naps.time()? - napped;
    let used: Vec<Used> = before.iter().zip(&after).map(|(before, after)| after.since(before, took)).collect();
    let (idle, probing) = (used[0], used[1]);
    let resident = idle.resident_mib.max(probing.resident_mib);
    Ok(AgentIdle {
        name: "agent-idle",
        measures: "agents to which nothing happens",
        seconds,
        idle,
        probing,
        naps_cpu_percent: napped as f64 / 1e7 / took,
        serf: group.is_some().then(|| Used::mean(&used[2..])),
        serf_version: group.is_some().then(serf::version).transpose()?,
        goal_mib: GOAL_MIB,
        goal_cpu_percent: GOAL_CPU,
        met: resident <= GOAL_MIB && idle.cpu_percent <= GOAL_CPU,
        machine: Machine::this(),
    })
}
