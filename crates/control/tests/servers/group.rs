//! Groups of servers: they agree, survive each other, and forget nothing.

use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, NodeAction};
use icefield_control::Timings;
use icefield_spec::Name;

use crate::harness::{Group, heartbeat, request};

#[test]
fn every_server_answers_for_the_group() {
    let group = Group::start(3);
    let leader = group.leader();
    group.block_on(async {
        for at in 0..3 {
            let applied = group.client_of(at).apply(&request(at as u32 + 1)).await.unwrap();
            for other in 0..3 {
                let client = group.client_of(other);
                let spec = client.spec().await.unwrap().unwrap();
                assert_eq!(spec.revision(), applied.revision, "written to server {at}, read from server {other}");
                let status = client.status(None, Duration::ZERO).await.unwrap();
                assert_eq!(status.api, group.url(leader), "the one that leads has answered");
                assert_eq!(status.servers.len(), 3);
                assert_eq!(status.servers.iter().filter(|server| server.leader).count(), 1);
            }
        }
        assert_eq!(group.client().history().await.unwrap().entries.len(), 3);
    });
}

#[test]
fn a_killed_leader_is_replaced_and_takes_nothing_with_it() {
    let mut group = Group::start(3);
    let mut acknowledged = 0;
    for _ in 0..3 {
        let leader = group.leader();
        for _ in 0..5 {
            acknowledged += 1;
            group.block_on(group.client().apply(&request(acknowledged))).unwrap();
        }
        group.kill(leader);
        let killed = Instant::now();
        acknowledged += 1;
        let client = group.client();
        group.block_on(async {
            while let Err(error) = client.apply(&request(acknowledged)).await {
                assert!(killed.elapsed() < Duration::from_secs(10), "{error}");
            }
        });
        let took = killed.elapsed();
        assert!(took < Duration::from_secs(2), "the next write took {took:?}");
        let history = group.block_on(group.client().history()).unwrap();
        assert_eq!(history.entries.len(), acknowledged as usize);
        group.restart(leader);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_all_were_killed() {
    let mut group = Group::start(3);
    let client = group.client();
    let last = group.block_on(async {
        for replicas in 1..20 {
            client.apply(&request(replicas)).await.unwrap();
        }
        client.apply(&request(20)).await.unwrap()
    });
    for at in 0..3 {
        group.kill(at);
    }
    for at in 0..3 {
        group.restart(at);
    }
    group.wait_for(|status| status.revision == Some(last.revision));
    let history = group.block_on(group.client().history()).unwrap();
    assert_eq!(history.entries.len(), 20);
    assert_eq!(history.entries[0].version, last.version);
}

#[test]
fn one_server_is_a_group_too() {
    let mut group = Group::start(1);
    let first = group.block_on(group.client().apply(&request(1))).unwrap();
    group.end(0);
    group.restart(0);
    let again = group.block_on(group.client().apply(&request(1))).unwrap();
    assert_eq!(again.version, first.version, "it is in force already");
    group.kill(0);
    group.restart(0);
    let other = group.block_on(group.client().apply(&request(2))).unwrap();
    assert!(other.version > first.version);
}

#[test]
fn a_server_that_was_away_too_long_is_filled_from_a_snapshot() {
    let timings = Timings { snapshot_every: 20, keep_entries: 5, ..Timings::default() };
    let mut group = Group::start_with(3, timings);
    let leader = group.leader();
    let (away, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.block_on(group.client().apply(&request(1))).unwrap();
    group.kill(away);
    for replicas in 2..80 {
        group.block_on(group.client().apply(&request(replicas))).unwrap();
    }
    group.restart(away);
    // Now the one that was away is needed for a majority.
    group.kill(other);
    let last = group.block_on(group.client().apply(&request(80))).unwrap();
    assert!(group.data(away).join("snapshot").exists());
    group.restart(other);
    group.wait_for(|status| status.revision == Some(last.revision));
    // And now for leading, maybe.
    group.kill(leader);
    let status = group.wait_for(|status| status.revision == Some(last.revision));
    assert_ne!(status.leader, Some(format!("s{leader}")));
    let history = group.block_on(group.client().history()).unwrap();
    assert_eq!(history.entries.len(), 80);
}

#[test]
fn a_server_that_lost_its_folder_is_filled_from_the_others() {
    let mut group = Group::start(3);
    let lost = (group.leader() + 1) % 3;
    group.block_on(group.client().apply(&request(1))).unwrap();
    group.kill(lost);
    std::thread::sleep(Duration::from_millis(100));
    std::fs::remove_dir_all(group.data(lost)).unwrap();
    group.restart(lost);
    let last = group.block_on(group.client().apply(&request(2))).unwrap();
    let other = (0..3).find(|at| *at != lost && *at != group.leader()).unwrap();
    group.kill(other);
    group.wait_for(|status| status.revision == Some(last.revision));
    group.block_on(group.client().apply(&request(3))).unwrap();
}

#[test]
fn a_change_too_large_for_one_heartbeat_is_agreed_on_without_an_election() {
    let group = Group::start(3);
    let leader = group.leader();
    let mut spec = crate::harness::spec(1);
    let service = spec.services.values_mut().next().unwrap();
    for number in 0..60 {
        service.unit.env.insert(format!("LARGE_{number}"), "x".repeat(100_000));
    }
    let revision = spec.revision();
    let follower = group.client_of((leader + 1) % 3);
    let applied = group.block_on(follower.apply(&ApplyRequest::whatever_is_there(spec))).unwrap();
    assert_eq!(applied.revision, revision);
    let status = group.wait_for(|status| status.revision == Some(revision));
    assert_eq!(status.leader, Some(format!("s{leader}")));
}

#[test]
fn a_restart_of_a_follower_does_not_unseat_the_leader() {
    let mut group = Group::start(3);
    let leader = group.leader();
    for at in (0..3).filter(|at| *at != leader) {
        group.kill(at);
        group.restart(at);
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            assert_eq!(group.leader(), leader);
        }
    }
}

#[test]
fn many_writers_at_once_are_all_answered() {
    let group = Group::start(3);
    let node = Name::new("n1").unwrap();
    group.block_on(group.client().heartbeat(&node, &heartbeat())).unwrap();
    group.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..50 {
            let (client, node) = (group.client_of(writer % 3), node.clone());
            writers.spawn(async move {
                for action in [NodeAction::Cordon, NodeAction::Uncordon] {
                    client.node(&node, action).await.unwrap();
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
    });
}

#[test]
fn large_changes_do_not_pile_up_in_the_log() {
    let group = Group::start_with(1, Timings { snapshot_bytes: 100_000, keep_entries: 0, ..Timings::default() });
    let mut spec = crate::harness::spec(0);
    for number in 0..20 {
        let service = spec.services.values_mut().next().unwrap();
        service.unit.env.insert("LARGE".into(), number.to_string().repeat(30_000));
        let request = ApplyRequest::whatever_is_there(spec.clone());
        group.block_on(group.client().apply(&request)).unwrap();
    }
    let snapshot = group.data(0).join("snapshot");
    let until = Instant::now() + Duration::from_secs(5);
    while !snapshot.exists() {
        assert!(Instant::now() < until, "no snapshot was made");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_leader_that_is_stuck_is_replaced_and_comes_back_as_a_follower() {
    let group = Group::start(3);
    let stuck = group.leader();
    group.block_on(group.client().apply(&request(1))).unwrap();
    group.stall(stuck, Duration::from_secs(3));
    // The others still believe that it leads when they are asked.
    let begin = Instant::now();
    let client = group.client_of((stuck + 1) % 3);
    group.block_on(async { while client.apply(&request(2)).await.is_err() {} });
    assert!(begin.elapsed() < Duration::from_millis(2_500), "{:?}", begin.elapsed());
    let last = group.block_on(client.apply(&request(3))).unwrap();
    std::thread::sleep(Duration::from_secs(3).saturating_sub(begin.elapsed()));
    let status = group.block_on(group.client_of(stuck).status(None, Duration::ZERO)).unwrap();
    assert_eq!(status.revision, Some(last.revision), "the one that was stuck tells what is true now");
    assert_ne!(status.leader, Some(format!("s{stuck}")));
}

#[test]
fn a_group_may_move_to_other_addresses() {
    let mut group = Group::start(3);
    let first = group.block_on(group.client().apply(&request(1))).unwrap();
    for at in 0..3 {
        group.end(at);
    }
    group.take_new_ports();
    for at in 0..3 {
        group.restart(at);
    }
    let status = group.wait_for(|status| status.revision == Some(first.revision));
    let moved: Vec<String> = (0..3).map(|at| group.url(at)).collect();
    assert_eq!(status.servers.iter().map(|server| server.api.clone()).collect::<Vec<_>>(), moved);
    group.block_on(group.client().apply(&request(2))).unwrap();
}

#[test]
fn without_a_majority_nothing_is_told_or_changed() {
    let mut group = Group::start(3);
    let leader = group.leader();
    for at in (0..3).filter(|at| *at != leader) {
        group.kill(at);
    }
    group.block_on(async {
        let client = group.client_of(leader).patience(Duration::ZERO);
        let error = client.status(None, Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("most of the servers do not answer"), "{error}");
        let error = client.apply(&request(1)).await.unwrap_err();
        assert!(error.to_string().contains("most of the servers do not answer"), "{error}");
    });
    group.restart((leader + 1) % 3);
    group.wait_for(|status| status.leader.is_some() && status.revision.is_none());
}
