//! What runs once, and is never started again whatever becomes of its agent.

use std::path::Path;

use icefield_agent::Shutdown;
use icefield_api::ReplicaState;
use icefield_spec::{Millis, Unit};

use crate::fixture::{Fixture, sh, until};
use crate::runner::tests;

tests![
    it_ends_and_is_told_of,
    the_next_agent_tells_of_an_end_that_none_has_seen,
    without_its_records_it_is_not_run_again,
    what_it_wrote_stays_when_it_goes,
];

fn once(script: &str) -> Unit {
    Unit { once: true, singleton: true, ..sh(script) }
}

async fn promised() -> Fixture {
    let fixture = Fixture::running().await;
    fixture.cluster.promise(Some(Millis::new(10_000)));
    fixture
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

async fn it_ends_and_is_told_of() {
    let fixture = promised().await;
    let starts = fixture.path("starts");
    let script = |then: &str| once(&format!("echo x >> {}; {then}", starts.display()));
    fixture.want(1, &[("move/0", &script("exit 0")), ("move/1", &script("exit 3"))]);
    let good = fixture.report("move/0", |report| report.state == ReplicaState::Completed).await;
    let bad = fixture.report("move/1", |report| report.state == ReplicaState::Failed).await;
    assert_eq!((good.exit.unwrap().code, bad.exit.unwrap().code), (Some(0), Some(3)));
    assert_eq!(bad.message.as_deref(), Some("exited with status 3"));
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(lines(&starts), 2, "neither is started anew");
}

async fn the_next_agent_tells_of_an_end_that_none_has_seen() {
    let mut fixture = promised().await;
    let (starts, go) = (fixture.path("starts"), fixture.path("go"));
    let unit = once(&format!("echo x >> {}; while [ ! -e {} ]; do sleep 0.02; done", starts.display(), go.display()));
    fixture.want(1, &[("move/0", &unit)]);
    until("it runs", || lines(&starts) == 1).await;
    fixture.shut_down(Shutdown::Leave).await;
    std::fs::write(&go, "").unwrap();
    until("it has ended", || fixture.replica_path("move/0", "exit.json").exists()).await;
    fixture.start().await;
    let report = fixture.report("move/0", |report| report.state == ReplicaState::Completed).await;
    assert_eq!(report.message.as_deref(), Some("exited with status 0, while no agent was there"));
    assert_eq!(lines(&starts), 1);
}

async fn without_its_records_it_is_not_run_again() {
    for lost in [&["process.json", "exit.json"][..], &["run.json", "process.json", "exit.json"]] {
        let mut fixture = promised().await;
        let starts = fixture.path("starts");
        fixture.want(1, &[("move/0", &once(&format!("echo x >> {}", starts.display())))]);
        fixture.report("move/0", |report| report.state == ReplicaState::Completed).await;
        fixture.shut_down(Shutdown::Leave).await;
        for file in lost {
            std::fs::remove_file(fixture.replica_path("move/0", file)).unwrap();
        }
        fixture.start().await;
        fixture.report("move/0", |report| report.state == ReplicaState::Failed).await;
        assert_eq!(lines(&starts), 1, "without {lost:?}");
    }
}

async fn what_it_wrote_stays_when_it_goes() {
    let fixture = promised().await;
    fixture.want(1, &[("move/0", &once("echo moved"))]);
    fixture.report("move/0", |report| report.state == ReplicaState::Completed).await;
    fixture.want(2, &[]);
    fixture.gone("move/0").await;
    until("its own folder is gone", || !fixture.replica_path("move/0", "work").exists()).await;
    assert_eq!(std::fs::read_to_string(fixture.replica_path("move/0", "log")).unwrap(), "moved\n");
}
