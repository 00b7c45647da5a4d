//! Folders that earlier versions wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use icefield_control::{Begin, Server, ServerConfig};

use crate::harness::Group;

/// A folder of server "s1" as an earlier version left it.
fn unpack(name: &str, into: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/fixtures").join(name);
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into).status().unwrap();
    assert!(status.success());
}

/// A group of that server, not yet started, and where its folder is.
fn group_of(archive: &str) -> (Group, PathBuf) {
    let mut group = Group::start(1);
    group.end(0);
    let home = group.data(0).parent().unwrap().to_owned();
    unpack(archive, &home);
    let begin = Begin::Form(vec![("s1".into(), group.url(0))]);
    group.configs[0] = ServerConfig { name: "s1".into(), data: home.join("s1"), begin, ..group.configs[0].clone() };
    (group, home)
}

#[test]
fn a_folder_of_the_second_format_is_gone_on_from() {
    let (mut group, home) = group_of("format2.tar.gz");
    group.configs[0].begin = Begin::Resume;
    // What an interrupted migration has left is no obstacle.
    for interrupted in [true, false] {
        if interrupted {
            fs::write(home.join("s1/log-00000001"), "begun").unwrap();
        }
        group.restart(0);
        let status = group.wait_for(|status| status.leader.as_deref() == Some("s1"));
        assert_eq!((status.services[0].desired, status.nodes.len()), (4, 3));
        let left = ["server.json", "log.redb", "mark", "log-00000001"].map(|file| home.join("s1").join(file).exists());
        assert_eq!(left, [true, false, false, true]);
        group.end(0);
    }
}

#[test]
fn a_damaged_log_of_the_second_format_is_refused() {
    let (mut group, home) = group_of("format2.tar.gz");
    group.configs[0].begin = Begin::Resume;
    let log = home.join("s1/log.redb");
    let whole = fs::read(&log).unwrap();
    for damage in [&b"junk"[..], &whole[..whole.len() / 2]] {
        fs::write(&log, damage).unwrap();
        let refused = group.block_on(Server::start(group.configs[0].clone())).err().unwrap().to_string();
        assert!(refused.contains("log.redb is damaged"), "{refused}");
    }
    fs::write(&log, whole).unwrap();
    group.restart(0);
    group.wait_for(|status| status.leader.as_deref() == Some("s1"));
}

/// 5,000 entries, so that there are a snapshot and a log after it.
#[test]
fn a_folder_of_the_first_format_is_gone_on_from() {
    let (mut group, home) = group_of("format1.tar.gz");
    let url = group.url(0);
    group.restart(0);
    let status = group.wait_for(|status| status.leader.as_deref() == Some("s1"));
    assert_eq!(group.block_on(group.client().history()).unwrap().entries.len(), 3);
    assert_eq!(status.nodes.len(), 1);
    // From now on it needs no list of servers, and others can join it.
    for _ in 0..2 {
        group.kill(0);
        group.configs[0].begin = Begin::Resume;
        group.restart(0);
        // It tells where it is by itself, if it was killed before it could.
        group.wait_for(|status| status.leader.as_deref() == Some("s1") && status.servers[0].api == url);
    }
    let label = fs::read_to_string(home.join("s1/server.json")).unwrap();
    assert!(label.contains("\"format\": 3"), "{label}");
    let begin = Begin::Join { servers: vec![url], replaces: None };
    group.add(ServerConfig { name: "s2".into(), begin, data: home.join("s2"), ..group.configs[0].clone() });
    group.wait_for(|status| status.servers.iter().filter(|server| server.voter).count() == 2);
}
