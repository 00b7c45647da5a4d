use std::time::Duration;

use crate::dev_cluster::DevCluster;
use crate::figure::Times;
use crate::{Common, Failure};

/// From the command to all healthy, for examples/hello.
pub(crate) fn measure(common: &Common, runs: usize) -> Result<Times, Failure> {
    let mut times = Vec::new();
    for _ in 0..runs {
        times.push(DevCluster::start(common, "hello")?.start);
    }
    Ok(Times::new(
        "dev-start",
        "`icefield dev examples/hello --detach` until it returns",
        Duration::from_secs(2),
        times,
    ))
}
