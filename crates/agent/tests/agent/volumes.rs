//! Volumes: each is had by one replica at a time.

use icefield_agent::Shutdown;
use icefield_api::ReplicaState;
use icefield_spec::{Millis, Volume, VolumeSource};

use crate::fixture::{Fixture, exec, name, until};
use crate::runner::tests;

tests![a_volume_that_is_in_use_is_not_used_twice, a_mount_that_cannot_be_made_says_what_is_missing];

async fn a_volume_that_is_in_use_is_not_used_twice() {
    let mut fixture = Fixture::running().await;
    let mut unit = exec(&["sleep", "1000"]);
    unit.volumes.insert(name("data"), Volume::default());
    fixture.want(1, &[("db/0", &unit)]);
    fixture.healthy("db/0").await;
    // A node's folder that was copied, or an agent that runs in two places: another supervisor for the same volume.
    let (volumes, replicas) = (fixture.data().join("volumes"), fixture.data().join("replicas"));
    assert!(volumes.join("db-0.lock").exists());
    std::fs::rename(&replicas, fixture.path("elsewhere")).unwrap();
    fixture.shut_down(Shutdown::Leave).await;
    fixture.start().await;
    let report = fixture.report("db/0", |report| report.state == ReplicaState::Failed).await;
    let message = report.message.unwrap();
    assert!(message.contains("its volumes are in use"), "{message}");
    std::fs::remove_dir_all(&replicas).unwrap();
    std::fs::rename(fixture.path("elsewhere"), &replicas).unwrap();
    until("its folder is there again", || replicas.join("db-0").exists()).await;
}

async fn a_mount_that_cannot_be_made_says_what_is_missing() {
    let fixture = Fixture::running().await;
    fixture.cluster.promise(Some(Millis::new(10_000)));
    let mut unit = exec(&["sleep", "1000"]);
    let source = VolumeSource::Rbd { pool: "data".into(), image: "db".into(), filesystem: VolumeSource::ext4() };
    unit.volumes.insert(name("data"), Volume { size: None, source });
    fixture.want(1, &[("db/0", &unit)]);
    let report = fixture.report("db/0", |report| report.state == ReplicaState::Failed).await;
    let message = report.message.unwrap();
    // Where Ceph's programs are installed, they find no cluster.
    let expected = ["this node has no program rbd; install the package ceph-common", "rbd map"];
    assert!(expected.iter().any(|part| message.contains(part)), "{message}");
}
