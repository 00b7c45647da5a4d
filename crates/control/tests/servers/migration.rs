//! Folders that earlier versions wrote.

use std::path::Path;
use std::process::Command;

use icefield_control::{Begin, ServerConfig};

use crate::harness::Group;

/// A folder of server "s1" as version 0.1 left it: 5,000 entries, so that there are a snapshot and a log after it.
fn unpack(into: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/fixtures/format1.tar.gz");
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_folder_of_the_first_format_is_gone_on_from() {
    let mut group = Group::start(1);
    group.end(0);
    let home = group.data(0).parent().unwrap().to_owned();
    unpack(&home);
    let url = group.url(0);
    let begin = Begin::Form(vec![("s1".into(), url.clone())]);
    group.configs[0] = ServerConfig { name: "s1".into(), data: home.join("s1"), begin, ..group.configs[0].clone() };
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
    let label = std::fs::read_to_string(home.join("s1/server.json")).unwrap();
    assert!(label.contains("\"format\": 2"), "{label}");
    let begin = Begin::Join { servers: vec![url], replaces: None };
    group.add(ServerConfig { name: "s2".into(), begin, data: home.join("s2"), ..group.configs[0].clone() });
    group.wait_for(|status| status.servers.iter().filter(|server| server.voter).count() == 2);
}
