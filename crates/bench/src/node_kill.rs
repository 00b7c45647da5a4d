use std::time::{Duration, Instant};

use icefield_api::{NodeState, Status};

use crate::dev_cluster::{DevCluster, all_healthy};
use crate::figure::Times;
use crate::{Common, Failure};

/// From a node's death to all its replicas healthy elsewhere, nodes in turn.
pub(crate) async fn measure(common: &Common, runs: usize) -> Result<Times, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let mut times = Vec::new();
    for run in 0..runs {
        let ready =
            |status: &Status| all_healthy(status) && status.nodes.iter().all(|node| node.state == NodeState::Ready);
        let status = cluster.until(ready).await?;
        // After a node is back nothing moves onto it, so take those that hold replicas.
        let busy: Vec<_> = status.nodes.iter().filter(|node| node.replicas > 0).collect();
        let name = busy[run % busy.len()].name.clone();
        let elsewhere = |status: &Status| {
            let mut replicas = status.services.iter().flat_map(|service| &service.replicas);
            all_healthy(status) && replicas.all(|replica| replica.node.as_ref() != Some(&name))
        };
        let began = Instant::now();
        cluster.run(&["dev".as_ref(), "kill-node".as_ref(), name.as_str().as_ref()])?;
        cluster.until(elsewhere).await?;
        times.push(began.elapsed());
        cluster.run(&["dev".as_ref(), "start-node".as_ref(), name.as_str().as_ref()])?;
    }
    let measures = "`icefield dev kill-node` until the status shows all replicas healthy on other nodes";
    Ok(Times::new("node-kill", measures, Duration::from_secs(3), times))
}
