//! The HTTP API: what it answers, also to those who ask badly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use icefield_api::{
    ApplyRequest, ErrorCode, EventKind, NodeAction, NodeState, OPERATIONS, RebalanceRequest, RebalanceStart, Status,
};
use icefield_placement::{Assignment, Change, ChangeKind};
use icefield_spec::Name;

use crate::harness::{Group, error_body, heartbeat, request};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Sends a request; gives back the status and the body.
async fn send(url: String, method: &str, body: Option<Vec<u8>>) -> (u16, String) {
    let http = icefield_api::Http::new(Default::default(), None).get();
    let mut request = http.request(method.parse().unwrap(), url);
    if let Some(body) = body {
        request = request.body(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let group = Group::start(3);
    let leader = group.leader();
    let spec = serde_json::to_value(crate::harness::spec(2)).unwrap();
    let mut broken = spec.clone();
    broken["services"]["web"]["unit"]["run"]["command"] = serde_json::json!([]);
    let mut large = spec.clone();
    large["services"]["web"]["replicas"] = 5_000.into();
    let apply = |spec: &serde_json::Value| Some(serde_json::json!({ "spec": spec }).to_string().into_bytes());
    let deep = || Some(format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes());
    let cases = [
        ("POST", "/v1/apply", None, ErrorCode::Invalid, "not what this operation takes: EOF"),
        ("POST", "/v1/apply", Some(b"{".to_vec()), ErrorCode::Invalid, "line 1 column 1"),
        ("POST", "/v1/apply", Some(vec![0xff; 100]), ErrorCode::Invalid, "line 1 column 1"),
        ("POST", "/v1/apply", Some(b"{\"spec\": {}}".to_vec()), ErrorCode::Invalid, "missing field"),
        ("POST", "/v1/apply", Some(b"{\"spec\": {}, \"x\": 1}".to_vec()), ErrorCode::Invalid, "column"),
        ("POST", "/v1/apply", deep(), ErrorCode::Invalid, "column"),
        ("POST", "/v1/apply", apply(&broken), ErrorCode::InvalidSpec, "the spec has a problem"),
        ("POST", "/v1/plan", apply(&broken), ErrorCode::InvalidSpec, "the spec has a problem"),
        ("POST", "/v1/apply", apply(&large), ErrorCode::Unplaced, "web/80 to web/4999: cpu excludes 2 nodes"),
        ("POST", "/v1/nodes/n1", Some(b"\"explode\"".to_vec()), ErrorCode::Invalid, "explode"),
        ("POST", "/v1/nodes/n1", Some(b"\"drain\"".to_vec()), ErrorCode::NotFound, "no node n1"),
        ("POST", "/v1/nodes/N_1", Some(b"\"drain\"".to_vec()), ErrorCode::Invalid, "is not a name"),
        ("POST", "/v1/nodes/n1/heartbeat", Some(b"[]".to_vec()), ErrorCode::Invalid, "column"),
        ("GET", "/v1/nodes/n1/plan?after=x", None, ErrorCode::Invalid, "after"),
        ("GET", "/v1/status?afer=1", None, ErrorCode::Invalid, "afer"),
        ("GET", "/v1/services/web/explain", None, ErrorCode::NotFound, "no service web"),
        ("GET", "/v1/services/web/replicas/0/logs", None, ErrorCode::NotFound, "web/0"),
        ("GET", "/v1/services/web/replicas/-1/logs", None, ErrorCode::Invalid, "-1"),
        ("POST", "/v1/rebalance", Some(b"{}".to_vec()), ErrorCode::Conflict, "no spec has been applied yet"),
        ("POST", "/v1/rebalance", Some(b"{\"seconds\": 0}".to_vec()), ErrorCode::Invalid, "it may be from 1 to 60"),
        ("POST", "/v1/rebalance", Some(b"{\"seconds\": 61}".to_vec()), ErrorCode::Invalid, "it may be from 1 to 60"),
        ("POST", "/v1/rebalance", Some(b"{\"moves\": -1}".to_vec()), ErrorCode::Invalid, "column"),
        ("POST", "/v1/rebalance/start", Some(b"{}".to_vec()), ErrorCode::Invalid, "missing field"),
        ("DELETE", "/v1/spec", None, ErrorCode::MethodNotAllowed, "/v1/spec does not take DELETE"),
        ("GET", "/v2/status", None, ErrorCode::NotFound, "nothing at /v2/status"),
    ];
    for (method, path, body, code, words) in cases {
        for at in [leader, (leader + 1) % 3] {
            let (status, text) = group.block_on(send(format!("{}{path}", group.url(at)), method, body.clone()));
            let error = error_body(&text);
            assert_eq!((error.code, status), (code, code.status()), "{method} {path}: {text}");
            assert!(text.contains(words), "{method} {path}: {text}");
            assert!(text.len() < 10_000, "{method} {path}: {} bytes", text.len());
        }
    }
    let status = group.block_on(group.client().status(None, Duration::ZERO)).unwrap();
    assert_eq!(status.cluster, None, "nothing of that was applied");
}

#[test]
fn every_operation_is_served() {
    let group = Group::start(1);
    group.leader();
    for operation in OPERATIONS {
        let path = operation.path.replace("{service}", "web").replace("{node}", "n1").replace("{index}", "0");
        let body = operation.request.map(|_| b"{}".to_vec());
        let (status, text) = group.block_on(send(format!("{}{path}", group.url(0)), operation.method, body));
        assert_ne!(status, 405, "{} {path}", operation.method);
        assert!(!text.contains("there is nothing at"), "{} {path}: {text}", operation.method);
    }
    let (status, text) = group.block_on(send(format!("{}/v1/openapi.json", group.url(0)), "GET", None));
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), icefield_api::openapi());
    assert_eq!(group.block_on(send(format!("{}/healthz", group.url(0)), "GET", None)), (200, "ok".into()));
}

#[test]
fn what_is_too_large_or_never_ends_harms_nobody() {
    let group = Group::start(1);
    group.leader();
    let connect = || {
        let stream = TcpStream::connect(group.configs[0].listen).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    // Half a head, half a body, nothing at all, and no HTTP.
    let halves: [&[u8]; 4] = [
        b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-",
        b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"spec\":",
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ];
    let open: Vec<TcpStream> = halves
        .iter()
        .map(|half| {
            let mut stream = connect();
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    let mut stream = connect();
    stream.write_all(b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n").unwrap();
    let mut answer = [0; 4_096];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("the body is larger than 64 MiB"), "{answer}");
    // Without a length, it is noticed when there is too much.
    let chunks = futures_util::stream::iter((0..66).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20])));
    let endless = icefield_api::Http::new(Default::default(), None).get().post(format!("{}/v1/apply", group.url(0)));
    let answer = group.block_on(endless.body(reqwest::Body::wrap_stream(chunks)).send());
    // The server may close the connection before all is sent.
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 413));
    group.block_on(group.client().apply(&request(1))).unwrap();
    drop(open);
}

#[test]
fn a_watch_waits_for_what_is_new_and_no_longer_than_asked() {
    let group = Group::start(3);
    let leader = group.leader();
    group.block_on(async {
        let client = group.client_of((leader + 1) % 3);
        let first = client.status(None, Duration::ZERO).await.unwrap();
        let begin = Instant::now();
        let events = client.events(Some(1_000_000), Duration::from_millis(300)).await.unwrap();
        assert!(events.events.is_empty());
        assert!((300..2_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        let (other, index) = (client.clone(), first.index);
        let waiting = tokio::spawn(async move { other.status(Some(index), Duration::from_secs(30)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished() || first.leader.is_some());
        let applied = client.apply(&request(0)).await.unwrap();
        let mut seen = waiting.await.unwrap().unwrap();
        assert!(seen.index > first.index);
        while seen.revision != Some(applied.revision) {
            let next = client.status(Some(seen.index), Duration::from_secs(10)).await.unwrap();
            assert!(next.index > seen.index, "a watch answered in vain");
            seen = next;
        }
        let events = client.events(None, Duration::ZERO).await.unwrap().events;
        assert!(events.iter().any(|event| event.kind == EventKind::Leader), "{events:?}");
        assert!(events.iter().any(|event| event.kind == EventKind::Apply), "{events:?}");
        assert!(events.is_sorted_by_key(|event| event.number));
    });
}

#[test]
fn nodes_join_get_their_plans_and_are_lost() {
    let group = Group::start(3);
    group.leader();
    group.block_on(async {
        let client = group.client();
        let (n1, n2) = (name("n1"), name("n2"));
        assert_eq!(client.node_plan(&n1, None, Duration::ZERO).await.unwrap(), None);
        client.apply(&ApplyRequest::whatever_is_there(crate::harness::spec(2))).await.unwrap();
        let reply = client.heartbeat(&n1, &heartbeat()).await.unwrap();
        assert!(reply.every < reply.lease);
        client.heartbeat(&n2, &heartbeat()).await.unwrap();
        // Both keep being heard of until n2 is not.
        let beats = tokio::spawn({
            let (client, n1) = (client.clone(), n1.clone());
            async move {
                loop {
                    client.heartbeat(&n1, &heartbeat()).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        let mut status = client.status(None, Duration::ZERO).await.unwrap();
        let state = |status: &Status, name: &str| status.nodes.iter().find(|node| node.name == name).unwrap().state;
        while state(&status, "n2") != NodeState::Lost {
            status = client.status(Some(status.index), Duration::from_secs(10)).await.unwrap();
        }
        assert_eq!(state(&status, "n1"), NodeState::Ready);
        // Now all is on n1.
        let mut number = None;
        loop {
            let plan = client.node_plan(&n1, number, Duration::from_secs(10)).await.unwrap().expect("n1 has a plan");
            assert!(Some(plan.number) > number, "waited in vain for both replicas");
            if plan.plan.replicas.len() == 2 {
                break;
            }
            number = Some(plan.number);
        }
        let status = client.node(&n1, NodeAction::Cordon).await.unwrap();
        assert_eq!(status.state, NodeState::Cordoned);
        let explained = client.explain(&name("web")).await.unwrap();
        assert_eq!(explained.replicas.len(), 2);
        assert!(client.endpoints(&name("web")).await.unwrap().endpoints.is_empty(), "nobody said that any serves");
        beats.abort();
    });
}

#[test]
fn a_better_layout_is_started_by_its_version_and_stopped() {
    let group = Group::start(3);
    let leader = group.leader();
    group.block_on(async {
        let client = group.client_of((leader + 1) % 3);
        client.apply(&request(2)).await.unwrap();
        for node in ["n1", "n2"] {
            client.heartbeat(&name(node), &heartbeat()).await.unwrap();
        }
        let mut status = client.status(None, Duration::ZERO).await.unwrap();
        while status.services[0].replicas.iter().any(|replica| replica.node.is_none()) {
            status = client.status(Some(status.index), Duration::from_secs(5)).await.unwrap();
        }
        // Nothing of it ever runs, so its first rollout has no end.
        let asked = client.rebalance(&RebalanceRequest::default()).await.unwrap_err().to_string();
        assert_eq!(asked, "a rollout of web is under way; try again when it is done");
        let replica = &status.services[0].replicas[0];
        let from = replica.node.clone().unwrap();
        let to = if from == name("n1") { name("n2") } else { name("n1") };
        let to = Assignment { node: to, revision: replica.revision.unwrap(), ports: Default::default() };
        let kind = ChangeKind::Move { from, to };
        let change = Change { replica: "web/0".parse().unwrap(), kind, reason: "a better layout".into() };
        let start = |version| RebalanceStart { version, changes: vec![change.clone()] };
        let late = client.rebalance_start(&start(1)).await.unwrap_err().to_string();
        assert!(late.contains("have changed since this was proposed"), "{late}");
        let started = client.rebalance_start(&start(u64::MAX)).await.unwrap().rebalance.unwrap();
        assert_eq!((started.moves, started.left), (1, 1));
        let second = client.rebalance_start(&start(u64::MAX)).await.unwrap_err().to_string();
        assert!(second.contains("another rebalancing is under way"), "{second}");
        assert_eq!(client.status(None, Duration::ZERO).await.unwrap().rebalance, Some(started));
        assert_eq!(client.rebalance_stop().await.unwrap().rebalance, None);
        assert_eq!(client.rebalance_stop().await.unwrap().rebalance, None, "also when there is none");
        let events = client.events(None, Duration::ZERO).await.unwrap().events;
        assert!(events.iter().any(|event| event.message == "ended with 1 of 1 moves undone: stopped"), "{events:?}");
        let mut wrong = start(u64::MAX);
        wrong.changes.push(change);
        assert!(client.rebalance_start(&wrong).await.is_err(), "one replica twice");
    });
}

#[test]
fn logs_come_from_the_agent_as_it_sends_them() {
    let group = Group::start(3);
    let leader = group.leader();
    group.block_on(async {
        let agent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", agent.local_addr().unwrap());
        let serve = |uri: axum::http::Uri| async move { format!("asked for {uri}\n") };
        tokio::spawn(async move { axum::serve(agent, axum::Router::new().fallback(serve)).await });
        let client = group.client_of((leader + 1) % 3);
        client.apply(&request(1)).await.unwrap();
        for node in ["n1", "n2"] {
            let heartbeat = icefield_api::Heartbeat { api: api.clone(), ..heartbeat() };
            client.heartbeat(&name(node), &heartbeat).await.unwrap();
        }
        let mut last = 0;
        while client.status(Some(last), Duration::from_secs(5)).await.is_ok_and(|status| {
            last = status.index;
            status.services[0].replicas.first().is_none_or(|replica| replica.node.is_none())
        }) {}
        let path = "/v1/services/web/replicas/0/logs?tail=5&follow=false";
        let (status, text) = send(format!("{}{path}", client.servers()[0]), "GET", None).await;
        assert_eq!((status, &*text), (200, "asked for /v1/replicas/web/0/logs?follow=false&tail=5\n"));
    });
}
