mod serf;
mod usage;

use std::time::{Duration, Instant};

use serde::Serialize;

use self::usage::Usage;

use crate::dev_cluster::{DevCluster, all_healthy};
use crate::machine::Machine;
use crate::{Common, Failure};

/// What an agent costs that has nothing to do.
#[derive(Debug, Serialize)]
pub(crate) struct AgentIdle {
    /// The figure.
    name: &'static str,
    /// What was measured.
    measures: &'static str,
    /// How many replicas the agent has.
    replicas: u32,
    /// For how long.
    seconds: u64,
    /// Its resident memory at the end, in mebibytes; of that, what is not of the binary's file.
    resident_mib: f64,
    anonymous_mib: f64,
    /// How much of one core it used, in percent.
    cpu_percent: f64,
    /// How often it was woken, each second.
    wakeups_per_second: f64,
    /// What both are to stay within.
    goal_mib: f64,
    goal_cpu_percent: f64,
    /// Whether they do.
    met: bool,
    /// An agent that keeps nothing but its group, in the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    serf: Option<Serf>,
    /// Where.
    machine: Machine,
}

/// An agent of serf, one of three.
#[derive(Debug, Serialize)]
struct Serf {
    /// Which version.
    version: String,
    /// The same of it: the mean of the three.
    resident_mib: f64,
    cpu_percent: f64,
    wakeups_per_second: f64,
    /// How much of that Icefield's agent used.
    cpu_ratio: f64,
}

const GOAL_MIB: f64 = 20.0;
const GOAL_CPU: f64 = 0.1;

/// Looks for so many seconds at the agent of a dev cluster that has two replicas; with `serf` also at three of that.
pub(crate) async fn measure(common: &Common, seconds: u64, serf: bool) -> Result<AgentIdle, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let group = if serf { Some(serf::Group::start().await?) } else { None };
    let status = cluster.until(all_healthy).await?;
    let node = status.nodes.iter().find(|node| node.replicas == 2).ok_or("no node has two replicas")?;
    let processes = cluster.processes()?;
    let nodes = processes["nodes"].as_array().ok_or("no agents run")?;
    let pid = nodes.iter().find(|one| one["name"] == *node.name.as_str()).and_then(|one| one["pid"].as_u64());
    let pid = pid.ok_or("the agent has no process")?;
    let others: Vec<u64> = group.iter().flat_map(serf::Group::pids).collect();
    let look = || others.iter().chain([&pid]).map(|pid| Usage::of(*pid)).collect::<Result<Vec<_>, _>>();
    // What starting costs is not of interest.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (mut before, began) = (look()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (mut after, took) = (look()?, began.elapsed().as_secs_f64());
    let (own_before, own) = before.pop().zip(after.pop()).ok_or("the agent has no process")?;
    let cpu_percent = own.cpu_percent(own_before, took);
    let mean = |of: &dyn Fn(Usage, Usage) -> f64| {
        after.iter().zip(&before).map(|(after, before)| of(*after, *before)).sum::<f64>() / after.len() as f64
    };
    let serf = match group {
        Some(_) => {
            let used = mean(&|after, before| after.cpu_percent(before, took));
            Some(Serf {
                version: serf::version()?,
                resident_mib: mean(&|after, _| after.resident_mib),
                cpu_percent: used,
                wakeups_per_second: mean(&|after, before| after.wakeups(before, took)),
                cpu_ratio: cpu_percent / used,
            })
        }
        None => None,
    };
    Ok(AgentIdle {
        name: "agent-idle",
        measures: "an agent with two healthy replicas, each asked for its health once a second, to which nothing happens",
        replicas: node.replicas,
        seconds,
        resident_mib: own.resident_mib,
        anonymous_mib: own.anonymous_mib,
        cpu_percent,
        wakeups_per_second: own.wakeups(own_before, took),
        goal_mib: GOAL_MIB,
        goal_cpu_percent: GOAL_CPU,
        met: own.resident_mib <= GOAL_MIB && cpu_percent <= GOAL_CPU,
        serf,
        machine: Machine::this(),
    })
}
