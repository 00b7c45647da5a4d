//! A disk without space: a server of its own takes no changes and says so; one of three lets the others go on.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use icefield_api::{ClientError, ErrorCode};
use icefield_control::Timings;

use crate::harness::{Group, request};

/// A file system in memory of 128 MiB, while this lives.
struct SmallDisk {
    home: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, loudly, where this process may not mount one.
    fn mount() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=128m", "tmpfs"]).arg(home.path()).output().unwrap();
        if !mounted.status.success() {
            eprintln!("SKIPPED: no tmpfs can be mounted: {}", String::from_utf8_lossy(&mounted.stderr));
            return None;
        }
        Some(Self { home })
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("server")
    }

    fn ballast(&self) -> PathBuf {
        self.home.path().join("ballast")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        let block = vec![1; 64 << 10];
        for size in [block.len(), 512, 1] {
            let error = loop {
                if let Err(error) = file.write_all(&block[..size]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
    }

    fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.home.path() as &Path).status();
    }
}

fn is_read_only(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(body) if body.code == ErrorCode::ReadOnly)
}

#[test]
fn a_server_alone_is_read_only_while_its_disk_is_full_as_root() {
    let Some(disk) = SmallDisk::mount() else { return };
    // With a snapshot after every change, so that one finds the disk full too.
    let timings = Timings { snapshot_every: 1, ..Timings::default() };
    let mut group = Group::start_in(1, timings, |_| Some(disk.folder()));
    let client = group.client();
    let (mut number, mut acknowledged) = (0, 0);
    let mut apply = |group: &Group| {
        number += 1;
        let applied = group.block_on(client.apply(&request(number)));
        acknowledged = applied.as_ref().map_or(acknowledged, |applied| applied.version);
        applied.map(drop)
    };
    for _ in 0..5 {
        apply(&group).unwrap();
    }
    disk.fill();
    // Until the server has looked, a change may meet the full disk itself; then it waits, and is not lost.
    let until = Instant::now() + Duration::from_secs(30);
    let refusal = loop {
        match apply(&group) {
            Err(error) if is_read_only(&error) => break error.to_string(),
            other => assert!(Instant::now() < until, "{other:?}"),
        }
    };
    assert!(refusal.contains("nearly full") && refusal.contains("goes on by itself"), "{refusal}");
    let history = group.block_on(group.client().history()).unwrap();
    assert!(history.entries.len() >= 5, "it can still be read");
    disk.empty();
    let until = Instant::now() + Duration::from_secs(10);
    while apply(&group).is_err() {
        assert!(Instant::now() < until, "it does not recover");
    }
    group.kill(0);
    group.restart(0);
    group.wait_for(|status| status.leader.is_some());
    let history = group.block_on(group.client().history()).unwrap();
    assert!(history.entries[0].version >= acknowledged, "{} of {acknowledged}", history.entries[0].version);
}

#[test]
fn a_leader_whose_disk_is_full_lets_another_one_lead_as_root() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut group = Group::start_in(3, Timings::default(), |at| (at == 0).then(|| disk.folder()));
    // Whoever leads, the one with the small disk comes to.
    while group.leader() != 0 {
        let leader = group.leader();
        group.kill(leader);
        group.wait_for(|status| status.leader.is_some());
        group.restart(leader);
    }
    group.block_on(group.client().apply(&request(1))).unwrap();
    disk.fill();
    let until = Instant::now() + Duration::from_secs(20);
    while group.leader() == 0 {
        assert!(Instant::now() < until, "it goes on leading");
        std::thread::sleep(Duration::from_millis(50));
    }
    let last = group.block_on(async {
        loop {
            if let Ok(applied) = group.client().apply(&request(2)).await {
                return applied;
            }
        }
    });
    disk.empty();
    // Then it takes part again: with it and one other there is a majority.
    std::thread::sleep(Duration::from_secs(1));
    let other = (1..3).find(|at| *at != group.leader()).unwrap();
    group.kill(other);
    group.wait_for(|status| status.revision == Some(last.revision));
    let until = Instant::now() + Duration::from_secs(20);
    while group.block_on(group.client().apply(&request(3))).is_err() {
        assert!(Instant::now() < until, "it does not take part again");
    }
}

#[test]
fn a_follower_whose_disk_is_full_keeps_nobody_from_writing_as_root() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut group = Group::start_in(3, Timings::default(), |at| (at == 0).then(|| disk.folder()));
    while group.leader() == 0 {
        group.kill(0);
        group.wait_for(|status| status.leader.is_some());
        group.restart(0);
    }
    let client = group.client();
    let apply = |number| group.block_on(client.apply(&request(number)));
    apply(1).unwrap();
    disk.fill();
    // Longer than a follower is patient with a leader that it does not hear of, many times over.
    let until = Instant::now() + Duration::from_secs(5);
    let crowd = (0..32).map(|who: u32| {
        let client = client.clone();
        async move {
            while Instant::now() < until {
                client.note(&format!("{who} says {}", "x".repeat(1000))).await.unwrap();
            }
        }
    });
    group.block_on(futures_util::future::join_all(crowd));
    assert_ne!(group.leader(), 0);
    let behind = |group: &Group| group.block_on(group.client_of(0).stale(true).history()).unwrap().entries[0].version;
    let version = apply(2).unwrap().version;
    assert!(behind(&group) < version, "it takes nothing");
    disk.empty();
    let until = Instant::now() + Duration::from_secs(20);
    while behind(&group) < version {
        assert!(Instant::now() < until, "it does not take part again");
        std::thread::sleep(Duration::from_millis(50));
    }
}
