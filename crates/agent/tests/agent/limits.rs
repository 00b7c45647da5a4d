//! Memory and CPU limits, where control groups can be made.

use icefield_api::ReplicaState;
use icefield_spec::{Bytes, Cpu};

use crate::fixture::{Fixture, exec};
use crate::runner::{skip, tests};

tests![a_replica_that_takes_too_much_memory_is_killed_and_told_so, groups_come_and_go];

/// The control groups of `web/0`, as its order names them.
fn groups(fixture: &Fixture) -> Vec<String> {
    let order = std::fs::read(fixture.replica_path("web/0", "run.json")).unwrap_or_default();
    let order: serde_json::Value = serde_json::from_slice(&order).unwrap_or_default();
    let groups = order["groups"].as_array().cloned().unwrap_or_default();
    groups.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect()
}

async fn a_replica_that_takes_too_much_memory_is_killed_and_told_so() {
    let fixture = Fixture::running().await;
    let beat = fixture.cluster.heartbeat(|_| true).await;
    if let Some(message) = beat.message {
        return skip(&format!("a_replica_that_takes_too_much_memory_is_killed_and_told_so: {message}"));
    }
    let mut unit = exec(&["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]);
    unit.memory = Bytes::new(32 << 20);
    fixture.want(1, &[("web/0", &unit)]);
    let killed = fixture.report("web/0", |report| report.state == ReplicaState::Failed).await;
    assert_eq!(killed.message.as_deref(), Some("killed: out of memory (limit 32MiB)"));
}

async fn groups_come_and_go() {
    let fixture = Fixture::running().await;
    let beat = fixture.cluster.heartbeat(|_| true).await;
    if let Some(message) = beat.message {
        return skip(&format!("groups_come_and_go: {message}"));
    }
    let mut unit = exec(&["sleep", "1000"]);
    unit.cpu = Cpu::from_millis(500);
    fixture.want(1, &[("web/0", &unit)]);
    let pid = fixture.healthy("web/0").await;
    let groups = groups(&fixture);
    assert!(!groups.is_empty());
    for group in &groups {
        assert!(group.ends_with("/web-0") && group.contains("/icefield/n1-"), "{group}");
        let members = std::fs::read_to_string(format!("{group}/cgroup.procs")).unwrap();
        assert!(members.lines().any(|line| line == pid.to_string()), "{group}: {members:?}");
    }
    let first = |files: &[&str]| {
        let paths = groups.iter().flat_map(|group| files.iter().map(move |file| format!("{group}/{file}")));
        let mut texts = paths.filter_map(|path| std::fs::read_to_string(path).ok());
        texts.next().unwrap().trim().to_owned()
    };
    assert_eq!(first(&["memory.max", "memory.limit_in_bytes"]), "67108864");
    assert!(["50", "512"].contains(&first(&["cpu.weight", "cpu.shares"]).as_str()));
    fixture.want(2, &[]);
    fixture.gone("web/0").await;
    assert!(groups.iter().all(|group| !std::path::Path::new(group).exists()));
}
