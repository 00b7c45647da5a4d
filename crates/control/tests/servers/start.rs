//! What a server refuses to start with.

use std::fs;

use icefield_control::{Begin, Server, ServerConfig, Timings};

use crate::harness::Group;

/// Why a server does not start with this.
fn refusal(group: &Group, config: ServerConfig) -> String {
    match group.block_on(Server::start(config)) {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

/// A group whose only server has ended, and what it was started with, but for a port of its own.
fn ended() -> (Group, ServerConfig) {
    let mut group = Group::start(1);
    group.leader();
    group.end(0);
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..group.configs[0].clone() };
    (group, config)
}

#[test]
fn an_address_that_others_can_reach() {
    let (group, config) = ended();
    for listen in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        let refusal = refusal(&group, ServerConfig { listen: listen.parse().unwrap(), ..config.clone() });
        assert!(refusal.contains("listen on 127.0.0.1") && refusal.contains("TLS"), "{refusal}");
    }
}

#[test]
fn a_port_that_is_taken() {
    let group = Group::start(1);
    let refusal = refusal(&group, group.configs[0].clone());
    assert!(refusal.starts_with("cannot listen on 127.0.0.1:"), "{refusal}");
}

#[test]
fn a_folder_that_another_server_uses() {
    let group = Group::start(1);
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..group.configs[0].clone() };
    let refusal = refusal(&group, config);
    assert!(refusal.contains("in use by another running server"), "{refusal}");
}

#[test]
fn a_folder_of_another_server_or_group() {
    let (group, config) = ended();
    let peers = vec![("other".to_owned(), "127.0.0.1:1".to_owned())];
    let refused = refusal(&group, ServerConfig { name: "other".into(), begin: Begin::Form(peers), ..config.clone() });
    assert!(refused.contains("holds the data of server \"s0\""), "{refused}");
    let peers = ["s0", "s1"].map(|name| (name.to_owned(), "127.0.0.1:1".to_owned())).to_vec();
    let refused = refusal(&group, ServerConfig { begin: Begin::Form(peers), ..config.clone() });
    assert!(refused.contains("group of s0, and this server is started in a group of s0, s1"), "{refused}");
    let refused = refusal(&group, ServerConfig { name: "s7".into(), ..config.clone() });
    assert!(refused.contains("\"s7\" is not among the servers of the group (s0)"), "{refused}");
    let peers = vec![("s0".to_owned(), String::new()); 2];
    let refused = refusal(&group, ServerConfig { begin: Begin::Form(peers), ..config });
    assert!(refused.contains("two servers are named \"s0\""), "{refused}");
}

#[test]
fn a_folder_of_a_newer_version() {
    let (group, config) = ended();
    fs::write(config.data.join("server.json"), r#"{"format": 99}"#).unwrap();
    let refusal = refusal(&group, config);
    assert!(refusal.contains("has format 99, written by a newer icefield"), "{refusal}");
}

/// The same, after changes of which some are in a snapshot.
fn ended_with_snapshot() -> (Group, ServerConfig) {
    let mut group = Group::start_with(1, Timings { snapshot_every: 3, keep_entries: 0, ..Timings::default() });
    for replicas in 0..20 {
        group.block_on(group.client().apply(&crate::harness::request(replicas))).unwrap();
    }
    group.end(0);
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), ..group.configs[0].clone() };
    (group, config)
}

#[test]
fn a_folder_that_a_recovery_left_half_way_is_none_to_begin_with() {
    let (group, config) = ended_with_snapshot();
    let names = fs::read_dir(&config.data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let of_log = names.filter(|name| name.starts_with("log-")).collect::<Vec<_>>();
    for file in of_log.iter().map(String::as_str).chain(["server.json"]) {
        fs::remove_file(config.data.join(file)).unwrap();
    }
    let refusal = refusal(&group, config);
    assert!(refusal.contains("a snapshot beside it") && refusal.contains("`icefield recover`"), "{refusal}");
}

#[test]
fn damaged_files() {
    let (group, config) = ended_with_snapshot();
    let log = fs::read_dir(&config.data).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let log = log.filter(|name| name.starts_with("log-")).max().unwrap();
    for file in ["snapshot", &log, "server.json"] {
        let path = config.data.join(file);
        let whole = fs::read(&path).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
        for damage in [&[][..], b"junk", &whole[..used / 2]] {
            fs::write(&path, damage).unwrap();
            let refusal = refusal(&group, config.clone());
            assert!(refusal.contains(file) && refusal.contains("is damaged"), "{file}: {refusal}");
        }
        fs::write(&path, &whole).unwrap();
    }
    // Put back as they were, they are good again.
    let server = group.block_on(Server::start(config)).unwrap();
    group.block_on(server.end());
}

#[test]
fn timings_that_contradict_each_other() {
    let (group, config) = ended();
    let timings = Timings { heartbeat: Timings::default().lease * 2, ..Timings::default() };
    let refusal = refusal(&group, ServerConfig { timings, ..config });
    assert!(refusal.contains("timings do not fit together"), "{refusal}");
}
