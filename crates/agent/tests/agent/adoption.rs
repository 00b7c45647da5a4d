//! Replicas outlive their agent, and the next one takes them over.

use std::time::Duration;

use icefield_agent::{Shutdown, kill_all};
use icefield_api::ReplicaState;

use crate::fixture::{Fixture, check, exec, number_in, runs, sh, signal, until};
use crate::runner::{skip, tests};

tests![
    a_killed_agent_leaves_its_replicas_running,
    an_upgrade_restarts_nothing_and_keeps_health,
    an_end_without_an_agent_is_told_later,
    what_changed_meanwhile_is_made_true,
    a_killed_supervisor_takes_its_program_along,
    a_pulled_plug_leaves_nothing,
];

async fn a_killed_agent_leaves_its_replicas_running() {
    let mut fixture = Fixture::new().await;
    fixture.want(1, &[("web/0", &sh("i=0; while :; do echo $$i; i=$$((i+1)); sleep 0.02; done"))]);
    let mut agent = fixture.start_process();
    let pid = fixture.healthy("web/0").await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    let path = fixture.replica_path("web/0", "log");
    let log = || std::fs::read_to_string(&path).unwrap();
    let before = log().lines().count();
    until("its log goes on", || log().lines().count() > before + 10).await;
    assert!(runs(pid));
    fixture.start().await;
    assert_eq!(fixture.healthy("web/0").await, pid);
    let report = fixture.report("web/0", |_| true).await;
    assert_eq!((report.restarts, report.message), (0, None));
    let numbers: Vec<String> = log().lines().map(str::to_owned).collect();
    let expected: Vec<String> = (0..numbers.len()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected, "not a line is missing");
    signal(pid, "KILL");
    fixture.report("web/0", |report| report.restarts == 1 && report.pid.is_some()).await;
}

async fn an_upgrade_restarts_nothing_and_keeps_health() {
    let mut fixture = Fixture::running().await;
    let mut unit = exec(&["sleep", "1000"]);
    unit.health = Some(check("sleep 0.3"));
    fixture.want(1, &[("web/0", &unit)]);
    let pid = fixture.healthy("web/0").await;
    fixture.shut_down(Shutdown::Leave).await;
    assert!(runs(pid));
    fixture.start().await;
    let first = fixture.cluster.heartbeat(|_| true).await;
    let report = &first.replicas[0];
    assert_eq!((report.state, report.pid), (ReplicaState::Healthy, Some(pid)), "before it could be asked again");
}

async fn an_end_without_an_agent_is_told_later() {
    let mut fixture = Fixture::running().await;
    fixture.want(1, &[("web/0", &sh("trap 'exit 7' USR1; while :; do sleep 0.02; done"))]);
    let pid = fixture.healthy("web/0").await;
    fixture.lose_agent();
    signal(pid, "USR1");
    until("it ended", || fixture.replica_path("web/0", "exit.json").exists()).await;
    fixture.start().await;
    let report = fixture.report("web/0", |report| report.pid.is_some_and(|now| now != pid)).await;
    assert_eq!(report.restarts, 1);
    let message = report.message.unwrap();
    assert_eq!(message, "started anew after: exited with status 7, while no agent was there");
}

async fn what_changed_meanwhile_is_made_true() {
    let mut fixture = Fixture::running().await;
    let (old, new) = (exec(&["sleep", "1000"]), exec(&["sleep", "2000"]));
    fixture.want(1, &[("web/0", &old), ("web/1", &old), ("web/2", &old)]);
    let pids = [fixture.healthy("web/0").await, fixture.healthy("web/1").await, fixture.healthy("web/2").await];
    fixture.lose_agent();
    fixture.want(2, &[("web/1", &new), ("web/2", &old)]);
    fixture.start().await;
    fixture.gone("web/0").await;
    let replaced = fixture.report("web/1", |report| report.revision == new.revision() && report.pid.is_some()).await;
    assert!(!runs(pids[0]) && !runs(pids[1]) && replaced.pid != Some(pids[1]));
    assert_eq!(fixture.healthy("web/2").await, pids[2]);
}

async fn a_killed_supervisor_takes_its_program_along() {
    let fixture = Fixture::running().await;
    let child = fixture.path("child");
    fixture.want(1, &[("web/0", &sh(&format!("sleep 1000 & echo $$! > {}; wait", child.display())))]);
    let pid = fixture.healthy("web/0").await;
    let child = number_in(&child).await;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let supervisor = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    for harmless in ["TERM", "INT", "HUP", "QUIT"] {
        signal(supervisor, harmless);
    }
    // Only when it has come to nothing is it known that they were taken.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(runs(supervisor) && runs(pid));
    signal(supervisor, "KILL");
    let report = fixture.report("web/0", |report| report.restarts == 1 && report.pid.is_some()).await;
    assert_eq!(report.message.as_deref(), Some("started anew after: its supervisor was killed, and it with that"));
    assert!(!runs(pid) && !runs(child), "left over: {} {}", runs(pid), runs(child));
}

async fn a_pulled_plug_leaves_nothing() {
    let mut fixture = Fixture::running().await;
    let child = fixture.path("child");
    let unit = sh(&format!("trap '' TERM; setsid sleep 1000 & echo $$! > {}; wait", child.display()));
    fixture.want(1, &[("web/0", &unit), ("web/1", &exec(&["sleep", "1000"]))]);
    let pids = [fixture.healthy("web/0").await, fixture.healthy("web/1").await];
    let child = number_in(&child).await;
    let limited = fixture.cluster.heartbeat(|_| true).await.message.is_none();
    fixture.lose_agent();
    assert_eq!(kill_all(&fixture.data()).unwrap(), 2);
    assert!(pids.iter().all(|pid| !runs(*pid)));
    // It has left its session, so only a control group tells whose it is.
    if limited {
        assert!(!runs(child));
    } else {
        skip("a_pulled_plug_leaves_nothing, for what has left its session: there are no control groups");
        signal(child, "KILL");
    }
    assert_eq!(kill_all(&fixture.data()).unwrap(), 0, "nothing is left to kill");
    fixture.start().await;
    fixture.healthy("web/0").await;
}
