//! Programs from closures, as units of a real systemd.

use std::fs;
use std::time::Duration;

use icefield_agent::Shutdown;
use icefield_api::ReplicaState;

use super::{Silence, config, log, node, program};
use crate::fixture::{exec, free_port, runs, signal, until};
use crate::runner::tests;

tests![
    a_program_is_the_unit_of_its_closure_with_systemd,
    units_outlive_their_agent_with_systemd,
    what_systemd_does_not_tell_of_goes_on_with_systemd,
    drift_is_healed_and_told_with_systemd,
];

async fn a_program_is_the_unit_of_its_closure_with_systemd() {
    let Some((mut fixture, systemd)) = node("a_program_is_the_unit_of_its_closure").await else { return };
    let port = free_port();
    let script = "echo \"$ICEFIELD_SERVICE $ICEFIELD_INDEX $PORT_HTTP $* $(pwd)\"; exec sleep 1000";
    let old = program(&fixture, "old", script, &["web", "--port=$PORT_HTTP", "100% $$x"]);
    fixture.want_with_ports(1, &[("web/3", &old, &[("http", port)])]);
    let pid = fixture.healthy("web/3").await;
    let beat = fixture.cluster.heartbeat(|_| true).await;
    assert_eq!(beat.drivers, ["exec", "nix", "nixos"]);
    let service = format!("icefield-n1-web-{}@3.service", old.revision().short());
    let target = format!("icefield-n1-web-3-{}.target", old.revision().short());
    assert_eq!(systemd.property(&service, "MainPID"), pid.to_string());
    assert_eq!(systemd.property(&service, "Description"), "Replica 3 of web");
    assert_eq!(systemd.property(&service, "MemoryMax"), (64 << 20).to_string());
    assert_eq!(systemd.property(&service, "Restart"), "no");
    assert!(fs::read_link(systemd.unit(&service)).unwrap().ends_with("lib/systemd/system/icefield-web@.service"));
    until("it has written", || log(&fixture, "web/3").ends_with('\n')).await;
    let work = fixture.data().canonicalize().unwrap().join("replicas/web-3/work");
    assert_eq!(log(&fixture, "web/3"), format!("web 3 {port} --port={port} 100% $x {}\n", work.display()));
    let link = fs::read_link(systemd.unit(&service)).unwrap();
    // In which order they stand depends on the revision.
    let mut own = [target.clone(), service.clone(), format!("{service}.d")];
    own.sort();
    assert_eq!(systemd.units(), own);
    assert!(link.is_absolute());

    // Another revision takes its place.
    let new = program(&fixture, "new", "exec sleep 2000", &["web"]);
    fixture.want(2, &[("web/3", &new)]);
    let is_new = |report: &icefield_api::ReplicaReport| {
        report.revision == new.revision() && report.state == ReplicaState::Healthy
    };
    let report = fixture.report("web/3", is_new).await;
    assert!(!runs(pid) && report.restarts == 0);
    assert!(systemd.units().iter().all(|name| name.contains(new.revision().short().as_str())), "{:?}", systemd.units());
    fixture.want(3, &[]);
    fixture.gone("web/3").await;
    assert!(!runs(report.pid.unwrap()) && systemd.units().is_empty(), "{:?}", systemd.units());

    // Nor does what is no unit any more.
    fixture.want(4, &[("web/3", &new)]);
    fixture.healthy("web/3").await;
    let supervised = exec(&["sleep", "1000"]);
    fixture.want(5, &[("web/3", &supervised)]);
    let is_supervised = |report: &icefield_api::ReplicaReport| {
        report.revision == supervised.revision() && report.state == ReplicaState::Healthy
    };
    fixture.report("web/3", is_supervised).await;
    assert!(systemd.units().is_empty(), "{:?}", systemd.units());

    // An agent that stops its replicas leaves nothing either.
    fixture.want(6, &[("web/3", &new)]);
    fixture.report("web/3", is_new).await;
    let pid = fixture.healthy("web/3").await;
    fixture.shut_down(Shutdown::Stop).await;
    assert!(!runs(pid) && systemd.units().is_empty(), "{:?}", systemd.units());
}

async fn units_outlive_their_agent_with_systemd() {
    let Some((mut fixture, systemd)) = node("units_outlive_their_agent").await else { return };
    let unit = program(&fixture, "s", "trap 'exit 7' USR1; while :; do sleep 0.02; done", &["web"]);
    fixture.want(1, &[("web/0", &unit)]);
    let pid = fixture.healthy("web/0").await;
    fixture.lose_agent();
    assert!(runs(pid));
    fixture.start_with(config(&fixture, systemd.config())).await;
    assert_eq!(fixture.healthy("web/0").await, pid);
    let report = fixture.report("web/0", |report| report.message.is_none()).await;
    assert_eq!(report.restarts, 0);

    signal(pid, "USR1");
    let report = fixture.report("web/0", |report| report.restarts == 1 && report.pid.is_some()).await;
    assert_eq!(report.message.as_deref(), Some("started anew after: exited with status 7"));
    let pid = report.pid.unwrap();
    fixture.report("web/0", |report| report.state == ReplicaState::Healthy).await;
    fixture.lose_agent();
    signal(pid, "KILL");
    until("it is gone", || !runs(pid)).await;
    fixture.start_with(config(&fixture, systemd.config())).await;
    let report = fixture.report("web/0", |report| report.pid.is_some_and(|now| now != pid)).await;
    assert_eq!(report.message.as_deref(), Some("started anew after: killed by SIGKILL, while no agent was there"));
    assert_eq!(report.restarts, 2);

    // What changed while no agent was there is made true.
    fixture.lose_agent();
    fixture.want(2, &[]);
    fixture.start_with(config(&fixture, systemd.config())).await;
    until("nothing is left", || systemd.units().is_empty()).await;
    assert!(!runs(report.pid.unwrap()));
}

async fn what_systemd_does_not_tell_of_goes_on_with_systemd() {
    let Some((mut fixture, systemd)) = node("what_systemd_does_not_tell_of_goes_on").await else { return };
    let unit = program(&fixture, "s", "exec sleep 1000", &["web"]);
    fixture.want(1, &[("web/0", &unit)]);
    let pid = fixture.healthy("web/0").await;
    let silence = Silence::of(&systemd);
    signal(pid, "KILL");
    tokio::time::sleep(Duration::from_millis(300)).await;
    fixture.report("web/0", |report| report.pid == Some(pid) && report.restarts == 0).await;
    drop(silence);
    let report = fixture.report("web/0", |report| report.restarts == 1 && report.pid.is_some()).await;
    assert_eq!(report.message.as_deref(), Some("started anew after: killed by SIGKILL"));

    // Nor does an agent that starts end what it is not told of.
    let pid = fixture.healthy("web/0").await;
    let silence = Silence::of(&systemd);
    fixture.lose_agent();
    fixture.start_with(config(&fixture, systemd.config())).await;
    assert_eq!(fixture.healthy("web/0").await, pid);
    drop(silence);
    assert!(runs(pid));
    signal(pid, "KILL");
    let report =
        fixture.report("web/0", |report| report.restarts == 2 && report.pid.is_some_and(|now| now != pid)).await;
    assert_eq!(report.message.as_deref(), Some("started anew after: killed by SIGKILL"));
}

async fn drift_is_healed_and_told_with_systemd() {
    let Some((fixture, systemd)) = node("drift_is_healed_and_told").await else { return };
    let unit = program(&fixture, "s", "exec sleep 1000", &["web"]);
    fixture.want(1, &[("web/0", &unit)]);
    let pid = fixture.healthy("web/0").await;
    let service = format!("icefield-n1-web-{}@0.service", unit.revision().short());
    let drop_in = systemd.unit(&format!("{service}.d/50-icefield.conf"));
    let declared = fs::read_to_string(&drop_in).unwrap();
    fs::write(&drop_in, declared.replace("MemoryMax=", "MemoryMax=1")).unwrap();
    fs::remove_file(systemd.unit(&service)).unwrap();
    let beat = fixture.cluster.heartbeat(|beat| !beat.drift.is_empty()).await;
    assert_eq!(beat.drift.len(), 1);
    for part in ["web/0: ", &format!("{service}, "), "50-icefield.conf in ", "as declared again"] {
        assert!(beat.drift[0].contains(part), "{:?}", beat.drift);
    }
    assert_eq!(fs::read_to_string(&drop_in).unwrap(), declared);
    until("it is loaded again", || systemd.property(&service, "MemoryMax") == (64 << 20).to_string()).await;
    assert!(runs(pid), "what runs goes on");

    // A unit that is stopped by hand is one that has ended.
    systemd.ask(&["stop", &service]).unwrap();
    let report =
        fixture.report("web/0", |report| report.restarts == 1 && report.pid.is_some_and(|now| now != pid)).await;
    assert_eq!(report.message.as_deref(), Some("started anew after: killed by SIGTERM"));

    // One that is restarted by hand has, too.
    systemd.ask(&["restart", &service]).unwrap();
    let report = fixture.report("web/0", |report| report.restarts == 2 && report.pid.is_some()).await;
    let told = "started anew after: it has ended, and runs again: someone else started it";
    assert_eq!(report.message.as_deref(), Some(told));
    assert_eq!(systemd.property(&service, "MainPID"), report.pid.unwrap().to_string());
}
