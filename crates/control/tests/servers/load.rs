//! More than a server can do: it says no at once, and goes on with what it has begun.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use icefield_api::ErrorCode;
use icefield_spec::Name;

use crate::harness::{Group, error_body, heartbeat, request};

/// How many watches a server has under way at most.
const WATCHES: usize = 1_024;

fn connect(group: &Group) -> TcpStream {
    let stream = TcpStream::connect(group.configs[0].listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Lets this process have as many open files as the system allows: both ends of all connections are here.
fn allow_many_files() {
    let mut files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    files.current = files.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, files).unwrap();
}

#[test]
fn too_many_watches_are_refused_at_once_and_keep_nothing_else_from_being_done() {
    allow_many_files();
    let group = Group::start(1);
    group.leader();
    group.block_on(group.client().apply(&request(1))).unwrap();
    let watch = b"GET /v1/events?after=1000000&wait=60000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let ask = || {
        let mut stream = connect(&group);
        stream.write_all(watch).unwrap();
        stream
    };
    let mut held: Vec<TcpStream> = (0..WATCHES).map(|_| ask()).collect();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let mut stream = ask();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut answer = String::new();
        if stream.read_to_string(&mut answer).is_err() {
            // It came in before all others did, and waits.
            assert!(Instant::now() < until, "no watch is refused");
            held.push(stream);
            continue;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("retry-after: 1"), "{head}");
        let error = error_body(body);
        assert_eq!(error.code, ErrorCode::Overloaded);
        assert!(error.message.contains("1024 watches are under way"), "{}", error.message);
        break;
    }
    group.block_on(async {
        let client = group.client();
        client.heartbeat(&Name::new("n1").unwrap(), &heartbeat()).await.unwrap();
        client.note("still here").await.unwrap();
        client.apply(&request(2)).await.unwrap();
        client.status(None, Duration::ZERO).await.unwrap();
        // The client waits as it was asked to, and comes in once there is room.
        let waiting = tokio::spawn(async move { client.events(Some(0), Duration::from_secs(5)).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished());
        drop(held);
        assert!(!waiting.await.unwrap().unwrap().events.is_empty());
    });
}

#[test]
fn bodies_that_do_not_come_hold_nobodys_place() {
    let group = Group::start(1);
    group.leader();
    let half = b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"spec\":";
    let held: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = connect(&group);
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    let client = group.client().patience(Duration::ZERO);
    group.block_on(client.apply(&request(1))).unwrap();
    drop(held);
}

#[test]
fn many_agents_wait_for_their_plans_at_little_cost() {
    let group = Group::start(1);
    group.leader();
    group.block_on(async {
        let client = group.client();
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..400 {
            let (client, node) = (client.clone(), Name::new(&format!("m{number}")).unwrap());
            waiting.spawn(async move { client.node_plan(&node, Some(0), Duration::from_secs(3)).await.unwrap() });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let begin = Instant::now();
        for number in 0..20 {
            client.note(&format!("note {number}")).await.unwrap();
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        while let Some(plan) = waiting.join_next().await {
            assert_eq!(plan.unwrap(), None);
        }
    });
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let group = Group::start(1);
    group.leader();
    for head in [
        format!("GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(64 << 10)),
        format!("GET /v1/status HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(200)),
    ] {
        let mut stream = TcpStream::connect(group.configs[0].listen).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // The server may have closed before all is written.
        let _ = stream.write_all(head.as_bytes());
        let mut answer = [0; 64];
        if let Ok(length @ 1..) = stream.read(&mut answer) {
            let answer = String::from_utf8_lossy(&answer[..length]);
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        }
    }
    group.block_on(group.client().note("still here")).unwrap();
}
