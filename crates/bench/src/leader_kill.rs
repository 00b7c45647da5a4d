use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, Client, Status};
use icefield_spec::{Revision, Spec};
use serde::Serialize;

use crate::dev_cluster::{DevCluster, kill};
use crate::figure::Times;
use crate::{Common, Failure};

/// The times, and what became of the writes.
#[derive(Debug, Serialize)]
pub(crate) struct LeaderKill {
    #[serde(flatten)]
    times: Times,
    /// Writes that the cluster said it had committed.
    acknowledged_writes: usize,
    /// Those of them that the history did not have afterwards.
    lost_writes: usize,
}

/// From the leader's death to the next committed write.
pub(crate) async fn measure(common: &Common, runs: usize) -> Result<LeaderKill, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let spec = cluster.client.spec().await?.ok_or("no spec is in force")?;
    let mut writer = Writer { client: cluster.client.clone(), spec, number: 0 };
    let (mut times, mut acknowledged_writes, mut lost_writes) = (Vec::new(), 0, 0);
    for _ in 0..runs {
        let led = |status: &Status| status.leader.is_some() && status.servers.len() == 3;
        let leader = cluster.until(led).await?.leader.ok_or("there is no leader")?;
        let mut acknowledged = BTreeSet::new();
        for _ in 0..10 {
            acknowledged.insert(writer.write().await?);
        }
        let processes = cluster.processes()?;
        let servers = processes["servers"].as_array().ok_or("no servers run")?;
        let pid = servers.iter().find(|server| server["name"] == *leader).and_then(|server| server["pid"].as_u64());
        let began = Instant::now();
        kill(u32::try_from(pid.ok_or("the leader has no process")?)?)?;
        acknowledged.insert(writer.write().await?);
        times.push(began.elapsed());
        let history: BTreeSet<Revision> =
            cluster.client.history().await?.entries.iter().map(|entry| entry.revision).collect();
        acknowledged_writes += acknowledged.len();
        lost_writes += acknowledged.difference(&history).count();
        all_servers_run(&cluster).await?;
    }
    let measures = "kill -9 of the leading server until the next write is acknowledged";
    let times = Times::new("leader-kill", measures, Duration::from_secs(1), times);
    Ok(LeaderKill { times, acknowledged_writes, lost_writes })
}

/// Waits until `dev` has started the killed server anew and it takes part again.
async fn all_servers_run(cluster: &DevCluster) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let processes = cluster.processes()?;
        let servers = processes["servers"].as_array().ok_or("no servers run")?;
        if servers.iter().all(|server| server["pid"].is_u64()) {
            // It catches up within a moment.
            tokio::time::sleep(Duration::from_millis(500)).await;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the killed server was not started anew".into())
}

/// Commits one write after the other: each another label of a node, which restarts nothing.
struct Writer {
    client: Client,
    spec: Spec,
    number: u64,
}

impl Writer {
    /// Writes until it is acknowledged; gives the revision.
    async fn write(&mut self) -> Result<Revision, Failure> {
        self.number += 1;
        for node in self.spec.nodes.values_mut() {
            node.machine.labels.insert("write".into(), self.number.to_string());
        }
        let request = ApplyRequest::whatever_is_there(self.spec.clone());
        let began = Instant::now();
        loop {
            match self.client.apply(&request).await {
                Ok(applied) => return Ok(applied.revision),
                Err(error) if began.elapsed() > Duration::from_secs(30) => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }
}
