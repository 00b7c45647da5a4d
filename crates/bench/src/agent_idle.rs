use std::fs;
use std::time::{Duration, Instant};

use serde::Serialize;

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
    /// Where.
    machine: Machine,
}

const GOAL_MIB: f64 = 20.0;
const GOAL_CPU: f64 = 0.1;

/// Looks at the agent with two replicas of a dev cluster for so many seconds.
pub(crate) async fn measure(common: &Common, seconds: u64) -> Result<AgentIdle, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let status = cluster.until(all_healthy).await?;
    let node = status.nodes.iter().find(|node| node.replicas == 2).ok_or("no node has two replicas")?;
    let processes = cluster.processes()?;
    let nodes = processes["nodes"].as_array().ok_or("no agents run")?;
    let pid = nodes.iter().find(|one| one["name"] == *node.name.as_str()).and_then(|one| one["pid"].as_u64());
    let pid = pid.ok_or("the agent has no process")?;
    // What starting costs is not of interest.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (before, began) = (Usage::of(pid)?, Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (Usage::of(pid)?, began.elapsed().as_secs_f64());
    let cpu_percent = (after.nanoseconds - before.nanoseconds) as f64 / 1e7 / took;
    Ok(AgentIdle {
        name: "agent-idle",
        measures: "an agent with two healthy replicas, each asked for its health once a second, to which nothing happens",
        replicas: node.replicas,
        seconds,
        resident_mib: after.resident_mib,
        anonymous_mib: after.anonymous_mib,
        cpu_percent,
        wakeups_per_second: (after.switches - before.switches) as f64 / took,
        goal_mib: GOAL_MIB,
        goal_cpu_percent: GOAL_CPU,
        met: after.resident_mib <= GOAL_MIB && cpu_percent <= GOAL_CPU,
        machine: Machine::this(),
    })
}

/// What a process has used.
struct Usage {
    nanoseconds: u64,
    switches: u64,
    resident_mib: f64,
    anonymous_mib: f64,
}

impl Usage {
    fn of(pid: u64) -> Result<Self, Failure> {
        let (mut nanoseconds, mut switches) = (0, 0);
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            // To the nanosecond, where `stat` counts in hundredths of a second.
            let used = fs::read_to_string(task.join("schedstat"))?;
            nanoseconds += used.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
            switches += field(&fs::read_to_string(task.join("status"))?, "voluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mebibytes = |name| field(&status, name) as f64 / 1024.0;
        Ok(Self { nanoseconds, switches, resident_mib: mebibytes("VmRSS:"), anonymous_mib: mebibytes("RssAnon:") })
    }
}

/// The number in the line that begins with `name`; 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
