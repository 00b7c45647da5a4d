//! Servers that come and go while the group works.

use std::time::{Duration, Instant};

use icefield_control::{Begin, ServerConfig};

use crate::harness::{Group, heartbeat, request};

impl Group {
    /// Starts one more server, which joins the group.
    fn join(&mut self, replaces: Option<usize>) -> usize {
        let at = self.configs.len();
        let data = self.data(0).with_file_name(format!("s{at}"));
        let begin =
            Begin::Join { servers: vec![self.url(self.leader())], replaces: replaces.map(|at| format!("s{at}")) };
        self.add(ServerConfig { name: format!("s{at}"), begin, data, ..self.configs[0].clone() });
        at
    }

    /// Waits until exactly these servers vote.
    fn wait_for_voters(&self, voters: &[usize]) {
        let names: Vec<String> = voters.iter().map(|at| format!("s{at}")).collect();
        self.wait_for(|status| {
            let servers = status.servers.iter().filter(|server| server.voter).map(|server| server.name.clone());
            status.servers.len() == names.len() && servers.eq(names.iter().cloned())
        });
    }
}

#[test]
fn a_group_grows_from_one_and_survives_the_loss_of_the_first() {
    let mut group = Group::start(1);
    group.block_on(group.client().apply(&request(1))).unwrap();
    group.join(None);
    group.wait_for_voters(&[0, 1]);
    group.join(None);
    group.wait_for_voters(&[0, 1, 2]);
    group.kill(0);
    let last = group.block_on(async {
        let client = group.client();
        loop {
            if let Ok(applied) = client.apply(&request(2)).await {
                return applied;
            }
        }
    });
    group.restart(0);
    group.wait_for(|status| status.revision == Some(last.revision));
    assert_eq!(group.block_on(group.client().history()).unwrap().entries.len(), 2);
    // What each server has written down is enough to go on.
    for at in 0..3 {
        group.kill(at);
    }
    for at in 0..3 {
        group.configs[at].begin = Begin::Resume;
        group.restart(at);
    }
    group.wait_for(|status| status.revision == Some(last.revision));
}

#[test]
fn a_server_is_filled_by_a_snapshot_before_it_votes() {
    let timings = icefield_control::Timings { snapshot_every: 20, keep_entries: 2, ..Default::default() };
    let mut group = Group::start_with(1, timings);
    for replicas in 0..60 {
        group.block_on(group.client().apply(&request(replicas))).unwrap();
    }
    let joined = group.join(None);
    group.wait_for_voters(&[0, 1]);
    assert!(group.data(joined).join("snapshot").exists());
    group.kill(0);
    group.restart(0);
    assert_eq!(group.block_on(group.client().history()).unwrap().entries.len(), 60);
}

#[test]
fn a_dead_server_is_replaced_in_one_step() {
    let mut group = Group::start(3);
    let dead = (group.leader() + 1) % 3;
    group.kill(dead);
    let joined = group.join(Some(dead));
    let left: Vec<usize> = (0..3).filter(|at| *at != dead).chain([joined]).collect();
    group.wait_for_voters(&left);
    // The one that was replaced stays out, even if it comes back.
    group.restart(dead);
    std::thread::sleep(Duration::from_millis(1_500));
    group.wait_for_voters(&left);
    let applied = group.block_on(group.client_of(joined).apply(&request(1))).unwrap();
    group.wait_for(|status| status.revision == Some(applied.revision));
}

#[test]
fn a_server_is_removed_only_if_the_others_can_decide_without_it() {
    let mut group = Group::start(3);
    let leader = group.leader();
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.kill(dead);
    let client = group.client_of(leader);
    let error = group.block_on(client.remove_server(&format!("s{other}"), false)).unwrap_err().to_string();
    assert!(error.contains("only 1 of 2 needed answer") && error.contains("--force"), "{error}");
    let error = group.block_on(client.remove_server("s9", false)).unwrap_err().to_string();
    assert!(error.contains("no server \"s9\"") && error.contains("s0, s1, s2"), "{error}");
    group.block_on(client.remove_server(&format!("s{dead}"), false)).unwrap();
    let mut left = vec![leader, other];
    left.sort_unstable();
    group.wait_for_voters(&left);
    group.block_on(client.remove_server(&format!("s{other}"), false)).unwrap();
    group.wait_for_voters(&[leader]);
    let error = group.block_on(client.remove_server(&format!("s{leader}"), true)).unwrap_err().to_string();
    assert!(error.contains("only server with a vote"), "{error}");
}

#[test]
fn a_name_that_is_taken_and_an_eighth_server_are_refused() {
    let mut group = Group::start(1);
    for _ in 1..7 {
        group.join(None);
    }
    group.wait_for_voters(&[0, 1, 2, 3, 4, 5, 6]);
    let servers = vec![group.url(0)];
    let data = group.data(0).with_file_name("more");
    let refusal = |group: &Group, name: &str| {
        let begin = Begin::Join { servers: servers.clone(), replaces: None };
        let config = ServerConfig {
            name: name.into(),
            begin,
            data: data.clone(),
            listen: "127.0.0.1:0".parse().unwrap(),
            ..group.configs[0].clone()
        };
        let error = group.block_on(icefield_control::Server::start(config)).err().unwrap();
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert!(refusal(&group, "s3").contains("there is a server s3 at http://127.0.0.1:"));
    assert!(refusal(&group, "s7").contains("has 7 servers"));
    assert!(refusal(&group, "No Name").contains("cannot be a server's name"));
}

#[test]
fn a_backup_becomes_a_cluster_that_agents_believe() {
    use icefield_control::raft::{self, Disk, FolderDisk, Member, RestoreError};
    use icefield_control::vault::RestoreSecrets;
    let mut group = Group::start(3);
    let node = icefield_spec::Name::new("n1").unwrap();
    let applied = group.block_on(group.client().apply(&request(2))).unwrap();
    group.block_on(group.client().heartbeat(&node, &heartbeat())).unwrap();
    let before = group.block_on(async {
        let client = group.client();
        loop {
            let generation = client.node_plan(&node, None, Duration::ZERO).await.unwrap().unwrap();
            if generation.plan.replicas.len() == 2 {
                return generation;
            }
        }
    });
    let backup = group.block_on(group.client().backup()).unwrap();
    for at in 0..3 {
        group.kill(at);
    }
    let data = group.data(0).with_file_name("restored");
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(FolderDisk::open(data.clone()).unwrap());
    for damage in [&backup[..backup.len() / 2], b"junk"] {
        let refused = raft::restore(&disk, Member::new("s0", ""), "g".into(), damage, RestoreSecrets::Expect);
        assert!(matches!(refused, Err(RestoreError::Damaged(_))), "{refused:?}");
    }
    raft::restore(&disk, Member::new("s0", ""), "g".into(), &backup, RestoreSecrets::Expect).unwrap();
    let again = raft::restore(&disk, Member::new("s0", ""), "g".into(), &backup, RestoreSecrets::Expect);
    assert!(matches!(again, Err(RestoreError::NotEmpty { .. })), "{again:?}");
    group.configs[0] = ServerConfig { begin: Begin::Resume, data, ..group.configs[0].clone() };
    group.restart(0);
    group.wait_for(|status| status.revision == Some(applied.revision) && status.servers.len() == 1);
    let after = group.block_on(group.client().node_plan(&node, None, Duration::ZERO)).unwrap().unwrap();
    assert!(after.number > before.number + 100_000, "{} → {}", before.number, after.number);
    assert_eq!(after.plan, before.plan);
    // It is a cluster that others can join.
    let begin = Begin::Join { servers: vec![group.url(0)], replaces: None };
    let data = group.data(0).with_file_name("second");
    group.configs[1] = ServerConfig { begin, data, ..group.configs[1].clone() };
    group.restart(1);
    group.wait_for_voters(&[0, 1]);
}

/// Does something with a folder once nobody has it: a server that was killed lets go of it a moment later, and a process that
/// another test starts just then may have it for a moment too.
fn once_free<T, E: std::fmt::Display>(work: impl Fn() -> Result<T, E>) -> T {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match work() {
            Ok(done) => return done,
            Err(error) => assert!(error.to_string().contains("in use") && Instant::now() < until, "{error}"),
        }
    }
}

#[test]
fn one_server_that_is_left_of_three_recovers_what_it_knows() {
    use icefield_control::raft::{self, Disk, FolderDisk};
    let mut group = Group::start(3);
    let applied = group.block_on(group.client().apply(&request(2))).unwrap();
    group.wait_for(|status| status.revision == Some(applied.revision));
    let left = group.leader();
    for at in 0..3 {
        group.kill(at);
    }
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(FolderDisk::open(group.data(left)).unwrap());
    let aside = FolderDisk::open(group.data(left).with_file_name("aside")).unwrap();
    let known = once_free(|| raft::known(&disk));
    assert_eq!(known.server, format!("s{left}"));
    assert!(known.version >= applied.version);
    let recovered = once_free(|| raft::recover(&disk, &group.url(left), raft::new_group(), &aside));
    assert_eq!(recovered.version, known.version);
    assert!(aside.size("log-00000001").unwrap().is_some());
    group.configs[left].begin = Begin::Resume;
    group.restart(left);
    group.wait_for(|status| status.revision == Some(applied.revision) && status.servers.len() == 1);
    // One of the old group that comes back is not listened to.
    let other = (left + 1) % 3;
    group.restart(other);
    std::thread::sleep(Duration::from_secs(1));
    let client = group.client_of(left);
    assert_eq!(group.block_on(client.status(None, Duration::ZERO)).unwrap().servers.len(), 1);
    group.block_on(client.apply(&request(3))).unwrap();
}
