//! NixOS modules as one tree of units of a real systemd.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use icefield_agent::SystemdConfig;
use icefield_api::ReplicaState;
use icefield_spec::Unit;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Silence, config, log, modules, node};
use crate::fixture::{Fixture, free_port, runs, signal, until};
use crate::runner::tests;

tests![
    modules_are_one_tree_with_systemd,
    timers_and_what_is_done_once_are_replicas_with_systemd,
    what_a_socket_starts_talks_to_it_with_systemd,
    what_takes_long_to_start_is_given_its_time_with_systemd,
    a_request_to_stop_that_was_lost_is_made_again_with_systemd,
    what_goes_wrong_is_told_with_systemd,
    without_a_systemd_it_is_said,
];

async fn modules_are_one_tree_with_systemd() {
    let Some((fixture, systemd)) = node("modules_are_one_tree").await else { return };
    let conf = fixture.path("conf");
    fs::write(&conf, "a setting\n").unwrap();
    let name = format!("icefield-test-{}.conf", std::process::id());
    let host = PathBuf::from("/etc").join(&name);
    let units = [
        ("setup.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo setup'\n"),
        (
            "db.service",
            &format!(
                "[Unit]\nRequires=setup.service\nAfter=setup.service\n[Service]\nExecStart=/bin/sh -c 'echo db $PORT_SQL; \
                 cat /etc/{name}; exec sleep 1000'\nRestart=always\nRestartForceExitStatus=9\n"
            ),
        ),
        ("db-helper.service", "[Service]\nExecStart=/bin/sleep 1000\n"),
        ("idle.service", "[Service]\nExecStart=/bin/sleep 1000\n"),
    ];
    let more = json!({"etc": {&name: conf}});
    let unit = modules(&fixture, "s", &units, &["db.service", "db-helper.service"], &more);
    let port = free_port();
    fixture.want_with_ports(1, &[("db/0", &unit, &[("sql", port)])]);
    let pid = fixture.healthy("db/0").await;
    let stem = format!("icefield-n1-db-0-{}", unit.revision().short());
    let at = |name: &str| format!("{stem}-{name}");
    assert_eq!(systemd.property(&at("db.service"), "MainPID"), pid.to_string());
    assert_eq!(systemd.property(&at("db.service"), "RestartForceExitStatus"), "");
    assert_eq!(systemd.property(&at("idle.service"), "ActiveState"), "inactive");
    assert_eq!(systemd.property(&format!("{stem}.slice"), "MemoryMax"), (64 << 20).to_string());
    for service in ["db.service", "db-helper.service"] {
        assert_eq!(systemd.property(&at(service), "Slice"), format!("{stem}.slice"));
    }
    until("it has written", || log(&fixture, "db/0").contains("setting")).await;
    assert_eq!(log(&fixture, "db/0"), format!("setup\ndb {port}\na setting\n"));
    let helper: u32 = systemd.property(&at("db-helper.service"), "MainPID").parse().unwrap();

    // One of them is all of them.
    signal(helper, "KILL");
    let report =
        fixture.report("db/0", |report| report.restarts == 1 && report.pid.is_some_and(|now| now != pid)).await;
    let expected = format!("started anew after: {}: killed by SIGKILL", at("db-helper.service"));
    assert_eq!(report.message, Some(expected));
    assert!(!runs(pid));
    fixture.want(2, &[]);
    fixture.gone("db/0").await;
    assert!(!runs(report.pid.unwrap()) && systemd.units().is_empty(), "{:?}", systemd.units());
    assert_eq!(systemd.property(&format!("{stem}.slice"), "ActiveState"), "inactive");
    assert!(!host.exists(), "{} was left behind", host.display());
}

async fn timers_and_what_is_done_once_are_replicas_with_systemd() {
    let Some((mut fixture, systemd)) = node("timers_and_what_is_done_once_are_replicas").await else { return };
    let once = |command: &str| format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c '{command}'\n");
    let timer = "[Timer]\nOnActiveSec=50ms\nOnUnitInactiveSec=50ms\nAccuracySec=1ms\n";
    let units = [("save.timer", timer), ("save.service", &once("echo saved"))];
    let saves = modules(&fixture, "saves", &units, &["save.timer"], &json!({}));
    fixture.want(1, &[("db/0", &saves)]);
    let is_healthy = |report: &icefield_api::ReplicaReport| {
        report.state == ReplicaState::Healthy && report.revision == saves.revision()
    };
    assert_eq!(fixture.report("db/0", is_healthy).await.pid, None, "no process stands for a timer");
    until("it is done again and again", || log(&fixture, "db/0").matches("saved").count() > 2).await;

    // An agent that comes after finds it as it is.
    fixture.lose_agent();
    let written = log(&fixture, "db/0").len();
    fixture.start_with(config(&fixture, systemd.config())).await;
    assert_eq!(fixture.report("db/0", is_healthy).await.restarts, 0);
    until("it goes on", || log(&fixture, "db/0").len() > written).await;

    // A timer that somebody stops is started anew.
    let timer = format!("icefield-n1-db-0-{}-save.timer", saves.revision().short());
    fixture.lose_agent();
    systemd.ask(&["stop", &timer]).unwrap();
    fixture.start_with(config(&fixture, systemd.config())).await;
    let report = fixture.report("db/0", |report| report.restarts == 1 && report.state == ReplicaState::Healthy).await;
    let told = report.message.unwrap();
    assert!(told.contains(&format!("{timer}: it was stopped, and not by this agent")), "{told}");

    // What is done once is well when it is done, and has failed when it failed.
    let done =
        modules(&fixture, "done", &[("prepare.service", &once("echo prepared"))], &["prepare.service"], &json!({}));
    fixture.want(2, &[("db/0", &done)]);
    let report = |report: &icefield_api::ReplicaReport| report.revision == done.revision() && report.pid.is_none();
    let report = fixture.report("db/0", |of| report(of) && of.state == ReplicaState::Healthy).await;
    assert_eq!((log(&fixture, "db/0").matches("prepared").count(), report.restarts), (1, 0));
    assert!(systemd.units().iter().all(|name| !name.contains("save")), "{:?}", systemd.units());
    let fails = modules(&fixture, "fails", &[("prepare.service", &once("exit 3"))], &["prepare.service"], &json!({}));
    fixture.want(3, &[("db/0", &fails)]);
    let has_failed = |report: &icefield_api::ReplicaReport| {
        report.revision == fails.revision() && report.state == ReplicaState::Failed && report.message.is_some()
    };
    let told = fixture.report("db/0", has_failed).await.message.unwrap();
    assert!(told.ends_with("-prepare.service: exited with status 3"), "{told}");

    // A service can be active without a process.
    let service = "[Service]\nExecStart=/bin/true\nRemainAfterExit=yes\n";
    let stays = modules(&fixture, "stays", &[("db.service", service)], &["db.service"], &json!({}));
    fixture.want(4, &[("db/0", &stays)]);
    let is_healthy = |report: &icefield_api::ReplicaReport| {
        report.state == ReplicaState::Healthy && report.revision == stays.revision()
    };
    fixture.report("db/0", is_healthy).await;
    fixture.want(5, &[]);
    fixture.gone("db/0").await;
    assert!(systemd.units().is_empty(), "{:?}", systemd.units());
}

async fn what_a_socket_starts_talks_to_it_with_systemd() {
    let Some((fixture, systemd)) = node("what_a_socket_starts_talks_to_it").await else { return };
    let port = free_port();
    let units = [
        ("echo.socket", &*format!("[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\n")),
        (
            "echo@.service",
            "[Service]\nStandardInput=socket\nExecStart=/bin/sh -c 'echo hello; echo said >&2; exec sleep 1000'\n",
        ),
    ];
    let unit = modules(&fixture, "s", &units, &["echo.socket"], &json!({}));
    // Such a name is how a slice must not be called.
    fixture.want(1, &[("xn--echo/0", &unit)]);
    fixture.report("xn--echo/0", |report| report.state == ReplicaState::Healthy).await;
    let mut peer = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let mut line = String::new();
    peer.read_line(&mut line).await.unwrap();
    assert_eq!(line, "hello\n");
    until("it has written", || log(&fixture, "xn--echo/0") == "said\n").await;
    let slice = format!("icefield-n1-xn-_-echo-0-{}.slice", unit.revision().short());
    assert_eq!(systemd.property(&slice, "ActiveState"), "active");
    fixture.want(2, &[]);
    fixture.gone("xn--echo/0").await;
    assert_eq!(peer.read_line(&mut line).await.unwrap(), 0, "what it started has ended");
    assert_eq!((systemd.property(&slice, "ActiveState").as_str(), systemd.units()), ("inactive", Vec::new()));
}

async fn what_takes_long_to_start_is_given_its_time_with_systemd() {
    let Some((mut fixture, systemd)) = node("what_takes_long_to_start_is_given_its_time").await else { return };
    let go = fixture.path("go");
    let script = format!("echo begun; until [ -e {} ]; do sleep 0.02; done; echo done", go.display());
    let prepare = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c '{script}'\n");
    let unit = modules(&fixture, "s", &[("prepare.service", &prepare)], &["prepare.service"], &json!({}));
    let is_at_work = |unit: &Unit| {
        let name = format!("icefield-n1-db-0-{}-prepare.service", unit.revision().short());
        systemd.property(&name, "ActiveState") == "activating"
    };
    fixture.want(1, &[("db/0", &unit)]);
    until("it is at work", || is_at_work(&unit)).await;
    // It would be healthy after half a second.
    tokio::time::sleep(Duration::from_millis(700)).await;
    fixture.report("db/0", |report| report.state == ReplicaState::Starting).await;
    fixture.lose_agent();
    fixture.start_with(config(&fixture, systemd.config())).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    fixture.report("db/0", |report| report.state == ReplicaState::Starting).await;
    fs::write(&go, "").unwrap();
    fixture.report("db/0", |report| report.state == ReplicaState::Healthy && report.restarts == 0).await;
    assert_eq!(log(&fixture, "db/0"), "begun\ndone\n", "the next agent has waited for it too");

    // What is not wanted any more need not start first.
    fs::remove_file(&go).unwrap();
    let db = "[Unit]\nRequires=prepare.service\nAfter=prepare.service\n[Service]\nExecStart=/bin/sleep 1000\n";
    let units = [("prepare.service", &*prepare), ("db.service", db)];
    let unit = modules(&fixture, "required", &units, &["db.service"], &json!({}));
    fixture.want(2, &[("db/0", &unit)]);
    until("it is at work", || is_at_work(&unit)).await;
    fixture.want(3, &[]);
    fixture.gone("db/0").await;
    assert!(!is_at_work(&unit) && systemd.units().is_empty(), "{:?}", systemd.units());
}

async fn a_request_to_stop_that_was_lost_is_made_again_with_systemd() {
    let Some((fixture, systemd)) = node("a_request_to_stop_that_was_lost_is_made_again").await else { return };
    let units = [
        ("save.timer", "[Timer]\nOnActiveSec=1h\n"),
        ("save.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"),
    ];
    let unit = modules(&fixture, "s", &units, &["save.timer"], &json!({}));
    fixture.want(1, &[("db/0", &unit)]);
    fixture.report("db/0", |report| report.state == ReplicaState::Healthy).await;
    let silence = Silence::of(&systemd);
    fixture.want(2, &[]);
    fixture.report("db/0", |report| report.state == ReplicaState::Stopping).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(silence);
    fixture.gone("db/0").await;
    assert!(systemd.units().is_empty(), "{:?}", systemd.units());
}

async fn what_goes_wrong_is_told_with_systemd() {
    let Some((fixture, systemd)) = node("what_goes_wrong_is_told").await else { return };
    let service = |command: &str| format!("[Service]\nType=exec\nExecStart={command}\n");
    let wanted = ["db.service"];
    let failed = |number: u64, unit: &Unit| {
        fixture.want(number, &[("db/0", unit)]);
        let revision = unit.revision();
        let fixture = &fixture;
        async move {
            let report = fixture
                .report("db/0", |report| {
                    report.revision == revision && report.state == ReplicaState::Failed && report.message.is_some()
                })
                .await;
            report.message.unwrap()
        }
    };
    let unit = modules(&fixture, "exits", &[("db.service", &service("/bin/sh -c 'exit 3'"))], &wanted, &json!({}));
    assert_eq!(failed(1, &unit).await, "exited with status 3");
    let unit = modules(&fixture, "missing", &[("db.service", &service("/nowhere/db"))], &wanted, &json!({}));
    assert_eq!(failed(2, &unit).await, "its program cannot be executed");
    let users = json!({"users": {"pg-icefield": {"uid": 71}}});
    let unit = modules(&fixture, "user", &[("db.service", &service("/bin/sleep 9"))], &wanted, &users);
    let message = failed(3, &unit).await;
    assert!(message.starts_with("it has the user pg-icefield with a number") && message.contains("base"), "{message}");
    let unit = modules(&fixture, "mount", &[("srv.mount", "[Mount]\nWhere=/srv\n")], &[], &json!({}));
    assert!(failed(4, &unit).await.contains("the unit srv.mount"));
    let unit = modules(&fixture, "bad", &[("db.service", "[Service]\nType=exec\n")], &wanted, &json!({}));
    assert!(failed(5, &unit).await.contains("bad-setting"));
    let requires = format!("[Unit]\nRequires=setup.service\nAfter=setup.service\n{}", service("/bin/sleep 9"));
    let setup = "[Service]\nType=oneshot\nExecStart=/bin/false\n";
    let units = [("db.service", requires.as_str()), ("setup.service", setup)];
    let unit = modules(&fixture, "requires", &units, &wanted, &json!({}));
    assert_eq!(failed(6, &unit).await, "a unit that it requires did not start");
    fixture.want(7, &[]);
    fixture.gone("db/0").await;
    assert!(systemd.units().is_empty(), "{:?}", systemd.units());
}

async fn without_a_systemd_it_is_said() {
    let mut fixture = Fixture::new().await;
    let unit = modules(&fixture, "s", &[], &[], &json!({}));
    fixture.want(1, &[("db/0", &unit)]);
    fixture.start_with(config(&fixture, SystemdConfig::user(fixture.path("nothing")))).await;
    let beat = fixture.cluster.heartbeat(|beat| !beat.replicas.is_empty()).await;
    assert_eq!(beat.drivers, ["exec", "nix"]);
    let message = beat.message.unwrap_or_default();
    assert!(message.contains("no service runs under systemd here (--systemd user)"), "{message}");
    let report = fixture.report("db/0", |report| report.state == ReplicaState::Failed).await;
    let message = report.message.unwrap();
    assert!(message.starts_with("this agent runs no services of NixOS modules"), "{message}");
}
