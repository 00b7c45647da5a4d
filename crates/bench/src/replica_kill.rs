use std::time::{Duration, Instant};

use icefield_api::{ReplicaState, Status};

use crate::dev_cluster::{DevCluster, all_healthy, kill};
use crate::figure::Times;
use crate::{Common, Failure};

/// From `kill -9` of a replica to healthy again, replicas in turn.
pub(crate) async fn measure(common: &Common, runs: usize) -> Result<Times, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let mut times = Vec::new();
    for run in 0..runs {
        let status = cluster.until(all_healthy).await?;
        let service = &status.services[0];
        let replica = &service.replicas[run % service.replicas.len()];
        let (index, before) = (replica.index, replica.pid.ok_or("a healthy replica has a process")?);
        let again = |status: &Status| {
            let replica = status.services[0].replicas.iter().find(|replica| replica.index == index);
            replica.is_some_and(|replica| replica.state == ReplicaState::Healthy && replica.pid != Some(before))
        };
        let began = Instant::now();
        kill(before)?;
        cluster.until(again).await?;
        times.push(began.elapsed());
        // One that is killed again within two seconds counts as failing by itself and is paused; that is another figure.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let measures = "kill -9 of a replica until the status shows it healthy with another process";
    Ok(Times::new("replica-kill", measures, Duration::from_millis(500), times))
}
