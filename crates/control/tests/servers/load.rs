//! More than a server can do: it says no at once, and goes on with what it has begun.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use icefield_api::ErrorCode;
use icefield_spec::Name;

use crate::harness::{Group, error_body, heartbeat, request};

/// How many reads a server has under way at most.
const READS: usize = 256;

#[test]
fn too_many_reads_are_refused_at_once_and_keep_nothing_else_from_being_done() {
    let group = Group::start(1);
    group.leader();
    group.block_on(group.client().apply(&request(1))).unwrap();
    // A body that does not come holds its request's place.
    let half = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
    let held: Vec<TcpStream> = (0..READS)
        .map(|_| {
            let mut stream = TcpStream::connect(group.configs[0].listen).unwrap();
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let mut stream = TcpStream::connect(group.configs[0].listen).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if let Some((head, body)) = answer.split_once("\r\n\r\n")
            && head.starts_with("HTTP/1.1 429 ")
        {
            assert!(head.contains("retry-after: 1"), "{head}");
            let error = error_body(body);
            assert_eq!(error.code, ErrorCode::Overloaded);
            assert!(error.message.contains("256 reads are under way"), "{}", error.message);
            break;
        }
        assert!(Instant::now() < until, "{answer}");
    }
    group.block_on(async {
        let client = group.client();
        client.heartbeat(&Name::new("n1").unwrap(), &heartbeat()).await.unwrap();
        client.note("still here").await.unwrap();
        client.apply(&request(2)).await.unwrap();
        // The client waits as it was asked to, and comes in once there is room.
        let reading = tokio::spawn(async move { client.status(None, Duration::ZERO).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!reading.is_finished());
        drop(held);
        reading.await.unwrap().unwrap();
    });
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
