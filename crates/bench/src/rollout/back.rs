use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icefield_api::{EventKind, RolloutState, Status};

use crate::dev_cluster::{DevCluster, all_healthy};
use crate::figure::Times;
use crate::{Common, Failure};

/// How long a step of the rollout may take, in milliseconds.
const DEADLINE: u64 = 4_000;

/// A version that is well, and one that never is. What becomes of them depends on nothing but the health check.
fn file(version: &str, good: bool) -> String {
    let check = if good { "true" } else { "false" };
    format!(
        r#"
cluster("figure")
for name in ["a", "b", "c"]:
    node(name, cpu = 4, memory = "4GiB", labels = {{"zone": name}})
service("web",
    run = exec(["sh", "-c", "exec sleep 100000 # {version}"]),
    replicas = 6,
    cpu = "50m", memory = "32MiB",
    ports = {{"http": dynamic()}},
    health = command(["{check}"], every = "100ms", grace = "1m"),
    spread = [spread("zone")],
    update = rolling(max_unavailable = 2, healthy_for = "500ms", deadline = "{DEADLINE}ms"))
"#
    )
}

/// From the moment when a bad revision has had all the time that it may take to all replicas healthy at the old one.
pub(crate) async fn measure(common: &Common, runs: usize) -> Result<Times, Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("icefield.star");
    std::fs::write(&path, file("v0", true))?;
    let cluster = DevCluster::of(common, &path)?;
    let mut times = Vec::new();
    for run in 0..runs {
        let event = cluster.client.events(None, Duration::ZERO).await?.events.last().map_or(0, |event| event.number);
        let bad = folder.path().join("bad.star");
        std::fs::write(&bad, file(&format!("bad {run}"), false))?;
        cluster.run(&["apply".as_ref(), bad.as_os_str(), "--yes".as_ref(), "--no-wait".as_ref()])?;
        let back = |status: &Status| {
            let state = status.services[0].rollout.as_ref().map(|rollout| rollout.state);
            matches!(state, Some(RolloutState::RollingBack | RolloutState::RolledBack)) && all_healthy(status)
        };
        cluster.until(back).await?;
        let ended = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let events = cluster.client.events(Some(event), Duration::ZERO).await?.events;
        let replaced = |kind: EventKind, message: &str| kind == EventKind::Placement && message.starts_with("replaced");
        let first = events.iter().find(|event| replaced(event.kind, &event.message));
        let began = first.ok_or("no replica was given the bad revision")?.at;
        times.push(Duration::from_millis(ended.saturating_sub(began + DEADLINE)));
        let over = |status: &Status| {
            status.services[0].rollout.as_ref().is_some_and(|rollout| rollout.state == RolloutState::RolledBack)
        };
        cluster.until(over).await?;
    }
    let measures = "the end of a bad revision's deadline until all replicas are healthy at the revision before";
    Ok(Times::new("rollback", measures, Duration::from_secs(2), times))
}
