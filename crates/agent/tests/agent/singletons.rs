//! Singletons stop in time, whatever becomes of their agent.

use std::time::{Duration, Instant};

use icefield_api::ReplicaState;
use icefield_spec::{Millis, Unit};

use crate::fixture::{Fixture, exec, runs, sh, signal, until};
use crate::runner::tests;

tests![
    a_singleton_starts_only_with_a_promise,
    a_killed_agent_takes_its_singletons_along_in_time,
    an_agent_that_stands_still_takes_its_singletons_along_in_time,
    an_agent_that_is_cut_off_takes_its_singletons_along_in_time,
    a_quick_restart_of_the_agent_does_a_singleton_no_harm,
    a_singleton_takes_its_descendants_along,
];

/// What the stand-in promises.
const PROMISE: Duration = Duration::from_millis(1_000);
/// How much later than promised a process may be gone: a busy machine is slow to kill.
const SLACK: Duration = Duration::from_millis(500);

fn promise(fixture: &Fixture) {
    fixture.cluster.promise(Some(Millis::new(1_000)));
}

fn singleton() -> Unit {
    Unit { singleton: true, ..exec(&["sleep", "1000"]) }
}

/// Waits until `pid` runs no more; that must be so within the promise, counted from `since`.
async fn gone_in_time(pid: u32, since: Instant) {
    until("the singleton is gone", || !runs(pid)).await;
    let took = since.elapsed();
    assert!(took <= PROMISE + SLACK, "it ran on for {took:?}");
}

async fn a_singleton_starts_only_with_a_promise() {
    let fixture = Fixture::running().await;
    fixture.want(1, &[("one/0", &singleton()), ("web/0", &exec(&["sleep", "1000"]))]);
    fixture.healthy("web/0").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let beat = fixture.cluster.heartbeat(|_| true).await;
    assert!(!beat.replicas.iter().any(|report| report.replica.to_string() == "one/0" && report.pid.is_some()));
    promise(&fixture);
    let pid = fixture.healthy("one/0").await;
    tokio::time::sleep(PROMISE * 2).await;
    assert!(runs(pid), "it is put off over and over");
    fixture.cluster.promise(None);
    gone_in_time(pid, Instant::now()).await;
    let report = fixture.report("one/0", |report| report.state == ReplicaState::Failed).await;
    assert_eq!(report.message.as_deref(), Some("killed: a singleton, and its node could not renew its lease"));
    promise(&fixture);
    fixture.healthy("one/0").await;
}

async fn a_killed_agent_takes_its_singletons_along_in_time() {
    let fixture = Fixture::new().await;
    promise(&fixture);
    fixture.want(1, &[("one/0", &singleton()), ("web/0", &exec(&["sleep", "1000"]))]);
    let mut agent = fixture.start_process();
    let (one, web) = (fixture.healthy("one/0").await, fixture.healthy("web/0").await);
    agent.kill().unwrap();
    agent.wait().unwrap();
    gone_in_time(one, Instant::now()).await;
    assert!(runs(web), "ordinary replicas go on");
}

async fn an_agent_that_stands_still_takes_its_singletons_along_in_time() {
    let fixture = Fixture::new().await;
    promise(&fixture);
    fixture.want(1, &[("one/0", &singleton()), ("web/0", &exec(&["sleep", "1000"]))]);
    let mut agent = fixture.start_process();
    let (one, web) = (fixture.healthy("one/0").await, fixture.healthy("web/0").await);
    signal(agent.id(), "STOP");
    gone_in_time(one, Instant::now()).await;
    assert!(runs(web), "ordinary replicas go on");
    signal(agent.id(), "CONT");
    fixture.report("one/0", |report| report.pid.is_some_and(|pid| pid != one)).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
}

async fn an_agent_that_is_cut_off_takes_its_singletons_along_in_time() {
    let fixture = Fixture::running().await;
    promise(&fixture);
    fixture.want(1, &[("one/0", &singleton()), ("web/0", &exec(&["sleep", "1000"]))]);
    let (one, web) = (fixture.healthy("one/0").await, fixture.healthy("web/0").await);
    fixture.cluster.stop();
    gone_in_time(one, Instant::now()).await;
    assert!(runs(web), "ordinary replicas go on");
}

async fn a_quick_restart_of_the_agent_does_a_singleton_no_harm() {
    let mut fixture = Fixture::running().await;
    promise(&fixture);
    fixture.want(1, &[("one/0", &singleton())]);
    let pid = fixture.healthy("one/0").await;
    for _ in 0..3 {
        fixture.lose_agent();
        fixture.start().await;
        assert_eq!(fixture.healthy("one/0").await, pid);
        tokio::time::sleep(PROMISE * 3 / 4).await;
    }
    assert!(runs(pid));
}

async fn a_singleton_takes_its_descendants_along() {
    let mut fixture = Fixture::running().await;
    promise(&fixture);
    let child = fixture.path("child");
    let script = format!("trap '' TERM; setsid sleep 1000 & echo $$! > {}; wait", child.display());
    fixture.want(1, &[("one/0", &Unit { singleton: true, ..sh(&script) })]);
    let pid = fixture.healthy("one/0").await;
    let child = crate::fixture::number_in(&child).await;
    fixture.lose_agent();
    let since = Instant::now();
    gone_in_time(pid, since).await;
    gone_in_time(child, since).await;
}
