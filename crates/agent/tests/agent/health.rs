//! Health checks with real processes.

use std::collections::BTreeMap;

use icefield_api::ReplicaState;
use icefield_spec::{Health, Millis, Port, Probe};

use crate::fixture::{Fixture, check, exec, free_port, name, sh};
use crate::runner::{skip, tests};

tests![
    a_check_decides_over_healthy,
    a_replica_that_turns_unhealthy_is_restarted,
    a_replica_that_never_is_healthy_is_restarted,
    a_web_server_is_asked_over_http,
];

async fn a_check_decides_over_healthy() {
    let fixture = Fixture::running().await;
    let ready = fixture.path("ready");
    let mut unit = exec(&["sleep", "1000"]);
    unit.health = Some(check(&format!("test -e {} || {{ echo not yet >&2; exit 1; }}", ready.display())));
    fixture.want(1, &[("web/0", &unit)]);
    let waiting = fixture.report("web/0", |report| report.message.is_some()).await;
    assert_eq!(waiting.state, ReplicaState::Running);
    assert_eq!(waiting.message.as_deref(), Some("sh ended with exit status: 1: not yet"));
    std::fs::write(&ready, "").unwrap();
    let healthy = fixture.report("web/0", |report| report.state == ReplicaState::Healthy).await;
    assert_eq!((healthy.pid, healthy.message), (waiting.pid, None));
}

async fn a_replica_that_turns_unhealthy_is_restarted() {
    let fixture = Fixture::running().await;
    let well = fixture.path("well");
    // A new process is well again.
    let mut unit = sh(&format!("echo > {}; exec sleep 1000", well.display()));
    unit.health = Some(check(&format!("test -e {}", well.display())));
    fixture.want(1, &[("web/0", &unit)]);
    let before = fixture.healthy("web/0").await;
    std::fs::remove_file(&well).unwrap();
    let after = fixture
        .report("web/0", |report| report.state == ReplicaState::Healthy && report.pid.is_some_and(|pid| pid != before))
        .await;
    assert_eq!(after.restarts, 1);
    let message = after.message.unwrap();
    assert_eq!(message, "started anew after: unhealthy: sh ended with exit status: 1, 2 times in a row");
}

async fn a_replica_that_never_is_healthy_is_restarted() {
    let fixture = Fixture::running().await;
    let mut unit = exec(&["sleep", "1000"]);
    unit.health = Some(Health { grace: Millis::new(300), ..check("exit 1") });
    fixture.want(1, &[("web/0", &unit)]);
    let before = fixture.report("web/0", |report| report.pid.is_some()).await.pid;
    let after = fixture.report("web/0", |report| report.restarts == 1 && report.state == ReplicaState::Failed).await;
    assert_eq!(after.message.as_deref(), Some("not healthy within 300ms: sh ended with exit status: 1"));
    fixture.report("web/0", |report| report.pid.is_some() && report.pid != before).await;
}

async fn a_web_server_is_asked_over_http() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return skip("a_web_server_is_asked_over_http needs python3");
    }
    let fixture = Fixture::running().await;
    let free = free_port();
    let mut unit = exec(&["python3", "-m", "http.server", "$PORT_HTTP", "--bind", "$ICEFIELD_ADDRESS"]);
    unit.ports = BTreeMap::from([(name("http"), Port::Dynamic)]);
    let probe = |path: &str| Probe::Http { path: path.into(), port: name("http") };
    unit.health = Some(Health { probe: probe("/page"), ..check("") });
    let page = fixture.replica_path("web/0", "work/page");
    std::fs::create_dir_all(page.parent().unwrap()).unwrap();
    std::fs::write(&page, "hello").unwrap();
    fixture.want_with_ports(1, &[("web/0", &unit, &[("http", free)])]);
    let before = fixture.healthy("web/0").await;
    std::fs::remove_file(&page).unwrap();
    fixture.report("web/0", |report| report.restarts > 0).await;
    std::fs::write(&page, "hello").unwrap();
    let after = fixture.report("web/0", |report| report.state == ReplicaState::Healthy && report.restarts > 0).await;
    assert_ne!(after.pid, Some(before));
    let message = after.message.unwrap();
    assert_eq!(message, "started anew after: unhealthy: GET /page answered 404, 2 times in a row");
}
