//! Files that are not what they should be: the agent says so and goes on, and nothing runs twice.

use icefield_api::ReplicaState;

use crate::fixture::{Fixture, exec, runs, until};
use crate::runner::tests;

tests![
    a_number_that_another_process_has_is_not_mistaken,
    junk_records_of_a_running_replica_end_it,
    junk_records_of_an_ended_replica_are_passed_over,
    a_junk_generation_is_asked_for_anew,
    strangers_in_the_folder_are_left_alone,
];

async fn a_number_that_another_process_has_is_not_mistaken() {
    let mut fixture = Fixture::running().await;
    fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
    let pid = fixture.healthy("web/0").await;
    fixture.lose_agent();
    let mut innocent = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let record = fixture.replica_path("web/0", "process.json");
    let text = std::fs::read_to_string(&record).unwrap();
    // As if the replica had ended and its number had passed to another process.
    crate::fixture::signal(pid, "KILL");
    until("it ended", || fixture.replica_path("web/0", "exit.json").exists()).await;
    std::fs::remove_file(fixture.replica_path("web/0", "exit.json")).unwrap();
    std::fs::write(&record, text.replace(&format!("\"pid\": {pid}"), &format!("\"pid\": {}", innocent.id()))).unwrap();
    fixture.start().await;
    let report = fixture.report("web/0", |report| report.pid.is_some()).await;
    assert!(report.pid != Some(innocent.id()) && report.pid != Some(pid));
    fixture.healthy("web/0").await;
    fixture.want(2, &[]);
    fixture.gone("web/0").await;
    assert!(runs(innocent.id()), "another's process was touched");
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

async fn junk_records_of_a_running_replica_end_it() {
    for file in ["run.json", "process.json"] {
        let mut fixture = Fixture::running().await;
        fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
        let pid = fixture.healthy("web/0").await;
        fixture.lose_agent();
        std::fs::write(fixture.replica_path("web/0", file), b"{\"run\": \xff\x00").unwrap();
        fixture.start().await;
        let report = fixture.report("web/0", |report| report.pid.is_some_and(|now| now != pid)).await;
        assert!(!runs(pid) && runs(report.pid.unwrap()), "{file}");
        fixture.healthy("web/0").await;
    }
}

async fn junk_records_of_an_ended_replica_are_passed_over() {
    for file in ["run.json", "process.json", "exit.json", "healthy.json", "lock"] {
        let mut fixture = Fixture::running().await;
        fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
        let pid = fixture.healthy("web/0").await;
        fixture.lose_agent();
        crate::fixture::signal(pid, "KILL");
        until("it ended", || fixture.replica_path("web/0", "exit.json").exists()).await;
        std::fs::write(fixture.replica_path("web/0", file), b"[]junk\xff").unwrap();
        fixture.start().await;
        fixture.healthy("web/0").await;
    }
}

async fn a_junk_generation_is_asked_for_anew() {
    let mut fixture = Fixture::running().await;
    fixture.want(4, &[("web/0", &exec(&["sleep", "1000"]))]);
    let pid = fixture.healthy("web/0").await;
    fixture.lose_agent();
    std::fs::write(fixture.data().join("generation.json"), b"{\"number\": 4, ").unwrap();
    fixture.start().await;
    let complaint =
        fixture.cluster.heartbeat(|beat| beat.message.as_ref().is_some_and(|text| text.contains("generation.json")));
    let report = fixture.report("web/0", |report| report.state == ReplicaState::Healthy);
    let (_, report) = tokio::join!(complaint, report);
    assert_eq!(report.pid, Some(pid), "what runs goes on");
    fixture.cluster.heartbeat(|beat| beat.generation == 4).await;
}

async fn strangers_in_the_folder_are_left_alone() {
    let mut fixture = Fixture::new().await;
    let replicas = fixture.data().join("replicas");
    std::fs::create_dir_all(replicas.join("lost+found")).unwrap();
    std::fs::create_dir_all(replicas.join("old-7")).unwrap();
    std::fs::write(replicas.join("notes.txt"), "mine").unwrap();
    std::fs::create_dir_all(replicas.join("web-0/run.json")).unwrap();
    fixture.start().await;
    fixture.want(1, &[("web/1", &exec(&["sleep", "1000"])), ("web/0", &exec(&["sleep", "1000"]))]);
    fixture.healthy("web/1").await;
    let blocked = fixture.report("web/0", |report| report.state == ReplicaState::Failed).await;
    assert!(blocked.message.as_ref().is_some_and(|text| text.contains("run.json")), "{blocked:?}");
    assert!(replicas.join("lost+found").exists() && replicas.join("notes.txt").exists());
    assert!(!replicas.join("old-7").exists(), "of a replica that is not wanted");
    std::fs::remove_dir(replicas.join("web-0/run.json")).unwrap();
    fixture.healthy("web/0").await;
}
