//! Generations: newer ones are taken up, older ones refused, the newest kept.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use icefield_agent::{AgentError, Shutdown};
use icefield_api::{Endpoints, ReplicaState};
use icefield_plan::Endpoint;
use icefield_spec::Port;

use crate::fixture::{Fixture, exec, free_port, name, runs, sh, until};
use crate::runner::tests;

tests![
    an_older_generation_is_refused,
    a_new_revision_replaces_the_old,
    other_ports_replace_too,
    without_a_server_the_kept_generation_holds,
    a_silent_server_is_passed_over,
    endpoints_are_told_before_the_start_and_after,
    a_folder_is_of_one_agent_and_one_node,
];

async fn an_older_generation_is_refused() {
    let mut fixture = Fixture::running().await;
    let unit = exec(&["sleep", "1000"]);
    fixture.want(5, &[("web/0", &unit)]);
    let pid = fixture.healthy("web/0").await;
    for restarted in [false, true] {
        fixture.want(3, &[]);
        let beat = fixture.cluster.heartbeat(|beat| beat.message.is_some()).await;
        let expected = "generation 3 is refused: this node has already taken up generation 5";
        assert!(beat.message.unwrap().contains(expected));
        assert_eq!(beat.generation, 5);
        assert!(runs(pid), "restarted: {restarted}");
        fixture.shut_down(Shutdown::Leave).await;
        fixture.start().await;
    }
    fixture.want(6, &[]);
    fixture.gone("web/0").await;
    let beat = fixture.cluster.heartbeat(|beat| beat.generation == 6).await;
    assert!(beat.message.is_none_or(|message| !message.contains("refused")));
    assert!(!runs(pid));
}

async fn a_new_revision_replaces_the_old() {
    let fixture = Fixture::running().await;
    let alone = fixture.path("alone");
    // Says so if another of its kind is there while it runs.
    let unit = |version: u32| {
        sh(&format!(
            "trap 'sleep 0.2; rmdir {0}; exit' TERM; mkdir {0} || echo two at once; echo version {version}; \
             while :; do sleep 0.02; done",
            alone.display()
        ))
    };
    let (old, new) = (unit(1), unit(2));
    fixture.want(1, &[("web/0", &old)]);
    let before = fixture.healthy("web/0").await;
    fixture.want(2, &[("web/0", &new)]);
    fixture.report("web/0", |report| report.state == ReplicaState::Stopping && report.revision == old.revision()).await;
    let after = fixture
        .report("web/0", |report| report.state == ReplicaState::Healthy && report.revision == new.revision())
        .await;
    assert_ne!(after.pid, Some(before));
    assert_eq!((after.restarts, after.message), (0, None), "being replaced is no failure");
    let log = std::fs::read_to_string(fixture.replica_path("web/0", "log")).unwrap();
    // The shell tells of the signal too.
    let said: Vec<&str> = log.lines().filter(|line| *line != "Terminated").collect();
    assert_eq!(said, ["version 1", "version 2"]);
}

async fn other_ports_replace_too() {
    let fixture = Fixture::running().await;
    let mut unit = sh("echo $PORT_HTTP; sleep 1000");
    unit.ports = BTreeMap::from([(name("http"), Port::Dynamic)]);
    let (old, new) = (free_port(), free_port());
    fixture.want_with_ports(1, &[("web/0", &unit, &[("http", old)])]);
    let before = fixture.healthy("web/0").await;
    fixture.want_with_ports(2, &[("web/0", &unit, &[("http", new)])]);
    fixture.report("web/0", |report| report.pid.is_some_and(|pid| pid != before)).await;
    fixture.healthy("web/0").await;
    let log = std::fs::read_to_string(fixture.replica_path("web/0", "log")).unwrap();
    assert_eq!(log, format!("{old}\n{new}\n"));
}

async fn without_a_server_the_kept_generation_holds() {
    let mut fixture = Fixture::running().await;
    let started = fixture.path("started");
    let unit = sh(&format!("echo >> {}; sleep 1000", started.display()));
    fixture.want(1, &[("web/0", &unit)]);
    fixture.healthy("web/0").await;
    fixture.shut_down(Shutdown::Stop).await;
    fixture.cluster.stop();
    fixture.start().await;
    until("it was started again", || std::fs::read_to_string(&started).unwrap().lines().count() == 2).await;
}

async fn a_silent_server_is_passed_over() {
    let mut fixture = Fixture::new().await;
    // Takes connections, as a frozen server's kernel does, and says nothing.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut config = fixture.config();
    config.servers.insert(0, format!("http://{}", silent.local_addr().unwrap()));
    fixture.start_with(config).await;
    let asked = Instant::now();
    fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
    fixture.healthy("web/0").await;
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
}

async fn endpoints_are_told_before_the_start_and_after() {
    let fixture = Fixture::running().await;
    let mut unit = sh("cat $ICEFIELD_ENDPOINTS/api.json; sleep 1000");
    unit.uses = vec![name("api")];
    fixture.want(1, &[("web/0", &unit)]);
    fixture.healthy("web/0").await;
    let log = std::fs::read_to_string(fixture.replica_path("web/0", "log")).unwrap();
    assert_eq!(log, "[]\n");
    let ports = BTreeMap::from([(name("http"), 8080)]);
    let endpoint = Endpoint { index: 2, node: name("n2"), address: "10.0.0.2".into(), ports };
    let endpoints = Endpoints::new(vec![endpoint.clone()]);
    fixture.cluster.tell(&name("api"), endpoints.clone());
    fixture.cluster.heartbeat(|beat| beat.endpoints.get("api") == Some(&Some(endpoints.revision))).await;
    let text = std::fs::read(fixture.data().join("endpoints/api.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Endpoint>>(&text).unwrap(), [endpoint]);
}

async fn a_folder_is_of_one_agent_and_one_node() {
    let mut fixture = Fixture::running().await;
    let second = fixture.try_start().await;
    assert!(matches!(second, Err(AgentError::Running { .. })), "{second:?}");
    fixture.want(1, &[]);
    fixture.cluster.heartbeat(|beat| beat.generation == 1).await;
    fixture.shut_down(Shutdown::Leave).await;
    let mut config = fixture.config();
    config.node = name("n2");
    let other = icefield_agent::Agent::start(config).await.map(drop).unwrap_err().to_string();
    assert!(other.contains("belongs to node n1, not to n2"), "{other}");
}
