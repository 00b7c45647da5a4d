//! A replica's life under an agent that runs: start, end, restart, stop.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use icefield_agent::Shutdown;
use icefield_api::ReplicaState;
use icefield_spec::{Millis, Port, Run};

use crate::fixture::{Fixture, exec, free_port, name, number_in, runs, sh, signal, until};
use crate::runner::tests;

tests![
    a_replica_starts_and_is_healthy,
    a_killed_replica_is_back_at_once,
    a_crash_loop_backs_off,
    what_is_not_wanted_is_asked_to_stop,
    a_stubborn_replica_is_killed,
    a_replica_takes_its_descendants_along,
    a_missing_program_is_named_and_tried_again,
    a_unit_without_driver_is_refused_once,
    a_port_that_is_in_use_is_named,
    a_replica_is_told_who_it_is,
    an_agent_that_stops_stops_its_replicas,
    a_volume_outlives_its_replica,
];

async fn a_replica_starts_and_is_healthy() {
    let fixture = Fixture::running().await;
    fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
    let running = fixture.report("web/0", |report| report.state == ReplicaState::Running).await;
    let healthy = fixture.report("web/0", |report| report.state == ReplicaState::Healthy).await;
    assert_eq!(running.pid, healthy.pid);
    assert_eq!((healthy.restarts, healthy.message), (0, None));
    assert!(runs(healthy.pid.unwrap()));
    let beat = fixture.cluster.heartbeat(|_| true).await;
    assert_eq!((beat.generation, beat.drivers), (1, vec!["exec".to_owned()]));
}

async fn a_killed_replica_is_back_at_once() {
    let fixture = Fixture::running().await;
    fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
    let before = fixture.healthy("web/0").await;
    let killed = Instant::now();
    signal(before, "KILL");
    let after = fixture.report("web/0", |report| report.pid.is_some_and(|pid| pid != before)).await;
    assert!(killed.elapsed() < Duration::from_millis(500), "{:?}", killed.elapsed());
    assert_eq!((after.restarts, after.message.as_deref()), (1, Some("started anew after: killed by SIGKILL")));
    assert!(runs(after.pid.unwrap()) && !runs(before));
}

async fn a_crash_loop_backs_off() {
    let fixture = Fixture::running().await;
    let starts = fixture.path("starts");
    fixture.want(1, &[("web/0", &sh(&format!("echo >> {}; exit 3", starts.display())))]);
    let failed = fixture.report("web/0", |report| report.state == ReplicaState::Failed).await;
    assert_eq!(failed.message.as_deref(), Some("exited with status 3"));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let count = std::fs::read_to_string(&starts).unwrap().lines().count();
    // After 0, 100, 300, 700 and 1500 ms, each a little later than that.
    assert!((3..=5).contains(&count), "{count} starts");
}

async fn what_is_not_wanted_is_asked_to_stop() {
    let fixture = Fixture::running().await;
    let said = fixture.path("said");
    let polite = sh(&format!("trap 'echo bye > {}; exit 0' TERM; while :; do sleep 0.05; done", said.display()));
    let other = exec(&["sleep", "1000"]);
    fixture.want(1, &[("web/0", &polite), ("web/1", &other)]);
    fixture.healthy("web/0").await;
    let kept = fixture.healthy("web/1").await;
    fixture.want(2, &[("web/1", &other)]);
    fixture.gone("web/0").await;
    assert_eq!(std::fs::read_to_string(&said).unwrap(), "bye\n");
    assert!(!fixture.replica_path("web/0", "").exists(), "its folder is gone too");
    assert_eq!(fixture.healthy("web/1").await, kept, "the other one was left alone");
}

async fn a_stubborn_replica_is_killed() {
    let fixture = Fixture::running().await;
    let mut stubborn = sh("trap '' TERM; while :; do sleep 0.05; done");
    stubborn.stop_grace = Millis::new(300);
    fixture.want(1, &[("web/0", &stubborn)]);
    let pid = fixture.healthy("web/0").await;
    let asked = Instant::now();
    fixture.want(2, &[]);
    fixture.report("web/0", |report| report.state == ReplicaState::Stopping).await;
    fixture.gone("web/0").await;
    assert!((Duration::from_millis(300)..Duration::from_secs(2)).contains(&asked.elapsed()), "{:?}", asked.elapsed());
    assert!(!runs(pid));
}

async fn a_replica_takes_its_descendants_along() {
    let fixture = Fixture::running().await;
    let (near, far) = (fixture.path("near"), fixture.path("far"));
    // One in the program's own group, and one that has left group, session and parent behind.
    let script = format!(
        "sleep 1000 & echo $$! > {}; (setsid sh -c 'echo $$$$ > {}; exec sleep 1000' &); sleep 1000",
        near.display(),
        far.display()
    );
    fixture.want(1, &[("web/0", &sh(&script))]);
    let pid = fixture.healthy("web/0").await;
    let (near, far) = (number_in(&near).await, number_in(&far).await);
    assert!(runs(near) && runs(far));
    signal(pid, "KILL");
    fixture.report("web/0", |report| report.restarts == 1 && report.pid.is_some()).await;
    assert!(!runs(near) && !runs(far), "left over: {} {}", runs(near), runs(far));
}

async fn a_missing_program_is_named_and_tried_again() {
    let fixture = Fixture::running().await;
    let program = fixture.path("late");
    fixture.want(1, &[("web/0", &exec(&[program.to_str().unwrap()])), ("web/1", &exec(&["python4"]))]);
    let missing = fixture.report("web/1", |report| report.state == ReplicaState::Failed).await;
    let message = missing.message.unwrap();
    assert!(message.starts_with("python4: no such program in PATH ("), "{message}");
    fixture.report("web/0", |report| report.state == ReplicaState::Failed).await;
    std::fs::write(&program, "#!/bin/sh\nsleep 1000\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fixture.healthy("web/0").await;
}

async fn a_unit_without_driver_is_refused_once() {
    let fixture = Fixture::running().await;
    let mut unit = exec(&["true"]);
    unit.run = Run::Container { image: "alpine:3".into(), command: Vec::new() };
    fixture.want(1, &[("web/0", &unit)]);
    let refused = fixture.report("web/0", |report| report.state == ReplicaState::Failed).await;
    assert_eq!(refused.message.as_deref(), Some("this agent has no container driver; it has: exec"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    fixture.cluster.forget();
    let later = fixture.report("web/0", |_| true).await;
    assert!(later.since >= Millis::new(400), "it was not tried again: {later:?}");
    fixture.want(2, &[("web/0", &exec(&["sleep", "1000"]))]);
    fixture.healthy("web/0").await;
}

async fn a_port_that_is_in_use_is_named() {
    let fixture = Fixture::running().await;
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut unit = exec(&["sleep", "1000"]);
    unit.ports = BTreeMap::from([(name("http"), Port::Dynamic)]);
    fixture.want_with_ports(1, &[("web/0", &unit, &[("http", port)])]);
    let failed = fixture.report("web/0", |report| report.state == ReplicaState::Failed).await;
    assert_eq!(failed.message, Some(format!("port {port} is in use by another process")));
    drop(listener);
    fixture.healthy("web/0").await;
}

async fn a_replica_is_told_who_it_is() {
    let fixture = Fixture::running().await;
    let told = fixture.path("told");
    let mut unit = sh(&format!("pwd > {0}.new; env | sort >> {0}.new; mv {0}.new {0}; sleep 1000", told.display()));
    unit.ports = BTreeMap::from([(name("http"), Port::Dynamic)]);
    unit.env = BTreeMap::from([("URL".to_owned(), "http://$ICEFIELD_ADDRESS:$PORT_HTTP".to_owned())]);
    let port = free_port();
    fixture.want_with_ports(1, &[("web-api/7", &unit, &[("http", port)])]);
    until("it told", || told.exists()).await;
    let text = std::fs::read_to_string(&told).unwrap();
    let data = fixture.data().canonicalize().unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), fixture.replica_path("web-api/7", "work").canonicalize().unwrap().to_str());
    let revision = unit.revision().to_string();
    let endpoints = data.join("endpoints").display().to_string();
    let expected = [
        ("ICEFIELD_ADDRESS", "127.0.0.1"),
        ("ICEFIELD_CLUSTER", "test"),
        ("ICEFIELD_ENDPOINTS", &endpoints),
        ("ICEFIELD_INDEX", "7"),
        ("ICEFIELD_NODE", "n1"),
        ("ICEFIELD_REVISION", &revision),
        ("ICEFIELD_SERVICE", "web-api"),
        ("PORT_HTTP", &port.to_string()),
        ("URL", &format!("http://127.0.0.1:{port}")),
    ];
    // The shell adds a few of its own.
    let told: Vec<_> = lines.filter_map(|line| line.split_once('=')).collect();
    let given = told.iter().filter(|(name, _)| !["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(given.copied().collect::<Vec<_>>(), expected, "and nothing of the agent's own environment");
}

async fn an_agent_that_stops_stops_its_replicas() {
    let mut fixture = Fixture::running().await;
    let unit = exec(&["sleep", "1000"]);
    fixture.want(1, &[("web/0", &unit), ("web/1", &unit)]);
    let pids = [fixture.healthy("web/0").await, fixture.healthy("web/1").await];
    fixture.shut_down(Shutdown::Stop).await;
    assert!(pids.iter().all(|pid| !runs(*pid)));
    assert!(fixture.replica_path("web/0", "work").exists(), "what it has is kept");
    fixture.start().await;
    let again = fixture.report("web/0", |report| report.state == ReplicaState::Healthy).await;
    assert_ne!(again.pid, Some(pids[0]));
}

async fn a_volume_outlives_its_replica() {
    let fixture = Fixture::running().await;
    let mut unit = sh("echo run >> $VOLUME_DATA/runs; pwd; sleep 1000");
    unit.volumes.insert(name("data"), icefield_spec::Volume::default());
    fixture.want(1, &[("db/2", &unit)]);
    fixture.healthy("db/2").await;
    let runs = fixture.data().join("volumes/db-2/data/runs");
    until("it wrote", || runs.exists()).await;
    fixture.want(2, &[]);
    until("it is gone", || !fixture.replica_path("db/2", "work").exists()).await;
    assert_eq!(std::fs::read_to_string(&runs).unwrap(), "run\n", "what it wrote is kept");
    fixture.want(3, &[("db/2", &unit)]);
    until("it wrote again", || std::fs::read_to_string(&runs).unwrap() == "run\nrun\n").await;
}
