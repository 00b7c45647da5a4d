//! Nothing is told that is not so, nothing is done twice, and no plan is carried out that has become another one.

use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, ClientError, ErrorCode, EventKind, NodeAction, ReplicaState, Stale, Status};
use icefield_control::Timings;
use icefield_spec::Name;

use crate::harness::{Group, error_body, heartbeat, request, send_with, spec};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The code of a refusal and all its lines.
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (ErrorCode, String) {
    match answer.unwrap_err() {
        ClientError::Refused(body) => (body.code, body.to_string()),
        error => panic!("{error}"),
    }
}

/// Both nodes have joined, and two replicas are placed.
async fn two_replicas_placed(group: &Group) -> Status {
    let client = group.client();
    client.apply(&request(2)).await.unwrap();
    for node in ["n1", "n2"] {
        client.heartbeat(&name(node), &heartbeat()).await.unwrap();
    }
    let mut status = client.status(None, Duration::ZERO).await.unwrap();
    while status.services[0].replicas.iter().any(|replica| replica.node.is_none()) {
        status = client.status(Some(status.index), Duration::from_secs(5)).await.unwrap();
    }
    status
}

#[test]
fn whoever_is_content_with_it_gets_what_one_server_has_also_without_a_majority() {
    let mut group = Group::start(3);
    let leader = group.leader();
    let before = group.block_on(two_replicas_placed(&group));
    let follower = (leader + 1) % 3;
    // The follower has heard of it a moment later.
    let until = Instant::now() + Duration::from_secs(5);
    let stale = |at: usize| group.client_of(at).stale(true);
    loop {
        let status = group.block_on(stale(follower).status(None, Duration::ZERO)).unwrap();
        if status.services.first().is_some_and(|service| service.unknown == 2) {
            let web = &status.services[0];
            assert!(
                web.replicas.iter().all(|replica| replica.state == ReplicaState::Unknown && replica.node.is_some())
            );
            assert_eq!(status.api, group.url(follower), "the one that was asked has answered");
            assert!(status.stale.unwrap().leader_heard.is_some());
            assert_eq!(status.revision, before.revision);
            break;
        }
        assert!(Instant::now() < until, "{status:?}");
    }
    for at in (0..3).filter(|at| *at != follower) {
        group.kill(at);
    }
    group.block_on(async {
        let client = group.client_of(follower).stale(true);
        let begin = Instant::now();
        let status = client.status(None, Duration::ZERO).await.unwrap();
        assert_eq!((status.revision, status.services[0].unknown), (before.revision, 2));
        assert_eq!(client.spec().await.unwrap(), Some(spec(2)));
        assert_eq!(client.history().await.unwrap().stale.unwrap().version, status.stale.unwrap().version);
        assert!(!client.events(None, Duration::ZERO).await.unwrap().events.is_empty());
        assert_eq!(client.explain(&name("web")).await.unwrap().replicas.len(), 2);
        assert!(client.node_plan(&name("n1"), None, Duration::ZERO).await.unwrap().is_some());
        let (code, words) = refused(client.endpoints(&name("web")).await);
        assert_eq!(code, ErrorCode::Conflict, "{words}");
        assert!(begin.elapsed() < Duration::from_secs(2), "nobody was asked: {:?}", begin.elapsed());
        let heard = status.stale.unwrap().leader_heard;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(client.status(None, Duration::ZERO).await.unwrap().stale.unwrap().leader_heard, heard);
        let url = format!("{}/v1/spec?stale=true", group.url(follower));
        let answered = send_with(url, "GET", "", &[]).await;
        let head = answered.head[Stale::HEADER].to_str().unwrap();
        assert!(head.starts_with("version=") && head.contains("; leader-heard="), "{head}");
        let impatient = group.client_of(follower).patience(Duration::ZERO);
        assert!(impatient.spec().await.is_err(), "it is not told as if it were true now");
    });
}

#[test]
fn a_watch_of_what_one_server_has_goes_on_without_the_others() {
    let mut group = Group::start(3);
    let leader = group.leader();
    group.block_on(group.client().apply(&request(1))).unwrap();
    let follower = (leader + 1) % 3;
    for at in (0..3).filter(|at| *at != follower) {
        group.kill(at);
    }
    group.block_on(async {
        let client = group.client_of(follower).stale(true);
        let first = client.status(None, Duration::ZERO).await.unwrap();
        let begin = Instant::now();
        let again = client.status(Some(first.index), Duration::from_millis(300)).await.unwrap();
        assert_eq!(again.index, first.index);
        assert!(begin.elapsed() >= Duration::from_millis(300));
    });
}

#[test]
fn a_plan_made_against_another_spec_is_refused_and_says_what_changed() {
    let group = Group::start(3);
    let leader = group.leader();
    group.block_on(async {
        let client = group.client_of((leader + 1) % 3);
        let mine = client.plan(&request(3)).await.unwrap();
        client.apply(&request(1)).await.unwrap();
        let apply = ApplyRequest { expect: mine.basis, ..request(3) };
        let (code, words) = refused(client.apply(&apply).await);
        assert_eq!(code, ErrorCode::PlanOutdated, "{words}");
        assert!(words.contains("another spec was put in force since it was made"), "{words}");
        assert!(words.contains("service web differs"), "{words}");
        assert_eq!(client.spec().await.unwrap(), Some(spec(1)));
        let mine = client.plan(&request(3)).await.unwrap();
        let apply = ApplyRequest { expect: mine.basis, ..request(3) };
        client.apply(&apply).await.unwrap();
        // It is in force already, so nothing is lost by saying yes.
        client.apply(&apply).await.unwrap();
    });
}

#[test]
fn a_plan_that_has_become_another_one_is_refused_and_a_heartbeat_makes_it_none() {
    let group = Group::start(3);
    group.leader();
    group.block_on(async {
        let client = group.client();
        two_replicas_placed(&group).await;
        let plan = client.plan(&request(4)).await.unwrap();
        let apply = |replicas, basis| ApplyRequest { expect: basis, ..request(replicas) };
        for _ in 0..3 {
            for node in ["n1", "n2"] {
                client.heartbeat(&name(node), &heartbeat()).await.unwrap();
            }
        }
        client.note("nothing that matters").await.unwrap();
        client.apply(&apply(4, plan.basis)).await.unwrap();

        let plan = client.plan(&request(6)).await.unwrap();
        client.node(&name("n1"), NodeAction::Cordon).await.unwrap();
        client.node(&name("n2"), NodeAction::Cordon).await.unwrap();
        let (code, words) = refused(client.apply(&apply(6, plan.basis)).await);
        assert_eq!(code, ErrorCode::PlanOutdated, "{words}");
        assert!(words.contains("node n2: cordoned: it takes no new replicas (0 s ago)"), "{words}");
        // Who did not look at the plan does not care.
        let mut basis = plan.basis.unwrap();
        basis.plan = None;
        client.apply(&apply(6, Some(basis))).await.unwrap();
    });
}

#[test]
fn of_two_plans_against_the_same_state_only_one_is_carried_out() {
    let group = Group::start(3);
    group.leader();
    group.block_on(async {
        let basis = group.client().plan(&request(1)).await.unwrap().basis;
        let mut racers = tokio::task::JoinSet::new();
        for racer in 0..6 {
            let client = group.client_of(racer % 3);
            let apply = ApplyRequest {
                expect: basis.map(|basis| icefield_api::PlanBasis { plan: None, ..basis }),
                ..request(racer as u32 + 1)
            };
            racers.spawn(async move { client.apply(&apply).await });
        }
        let mut won = 0;
        while let Some(outcome) = racers.join_next().await {
            match outcome.unwrap() {
                Ok(_) => won += 1,
                answer => assert_eq!(refused(answer).0, ErrorCode::PlanOutdated),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(group.client().history().await.unwrap().entries.len(), 1);
    });
}

#[test]
fn a_request_that_is_repeated_is_done_once_and_gets_the_same_answer() {
    // So that the last server to answer starts from a snapshot.
    let mut group = Group::start_with(3, Timings { snapshot_every: 5, keep_entries: 0, ..Timings::default() });
    let leader = group.leader();
    let note = |at: usize, key: &'static str, text: &'static str| {
        let url = format!("{}/v1/events", group.url(at));
        let body = serde_json::json!({ "text": text }).to_string();
        async move { send_with(url, "POST", &body, &[("idempotency-key", key)]).await }
    };
    let first = group.block_on(note(leader, "a-1", "deploying 42"));
    assert_eq!(first.status, 200, "{}", first.text);
    for at in 0..3 {
        assert_eq!(group.block_on(note(at, "a-1", "deploying 42")).text, first.text);
    }
    let other = group.block_on(note(0, "a-1", "deploying 43"));
    assert_eq!((error_body(&other.text).code, other.status), (ErrorCode::KeyReused, 422));
    let bad = group.block_on(note(0, "a 1", "deploying 43"));
    assert_eq!((error_body(&bad.text).code, bad.status), (ErrorCode::Invalid, 400));
    for _ in 0..20 {
        group.block_on(group.client().note("something else")).unwrap();
    }
    group.kill(leader);
    let again = loop {
        let again = group.block_on(async {
            let url = format!("{}/v1/events", group.url((leader + 1) % 3));
            send_with(url, "POST", r#"{"text":"deploying 42"}"#, &[("idempotency-key", "a-1")]).await
        });
        if again.status != 503 {
            break again;
        }
    };
    assert_eq!(again.text, first.text, "after another server has come to lead");
    for at in 0..3 {
        group.kill(at);
    }
    for at in 0..3 {
        group.restart(at);
    }
    group.leader();
    let again = group.block_on(async {
        let url = format!("{}/v1/events", group.url(leader));
        send_with(url, "POST", r#"{"text":"deploying 42"}"#, &[("idempotency-key", "a-1")]).await
    });
    assert_eq!(again.text, first.text, "after all were started anew");
    let events = group.block_on(group.client().events(None, Duration::ZERO)).unwrap().events;
    assert_eq!(events.iter().filter(|event| event.message == "deploying 42").count(), 1);
}

#[test]
fn a_removal_that_is_repeated_is_done_once() {
    let group = Group::start(3);
    group.leader();
    group.block_on(async {
        let send = |at: usize, method: &'static str, path: &str, body: &'static str, key: &'static str| {
            let url = format!("{}/v1/secrets{path}", group.url(at));
            async move { send_with(url, method, body, &[("idempotency-key", key)]).await }
        };
        let value = r#"{"name":"db","value":"aHVudGVyMg=="}"#;
        assert_eq!(send(0, "POST", "", value, "s-1").await.status, 200);
        assert_eq!(send(0, "DELETE", "/db", "", "d-1").await.status, 200);
        assert_eq!(send(1, "DELETE", "/db", "", "d-1").await.status, 200, "the same request again");
        assert_ne!(send(2, "DELETE", "/db", "", "d-2").await.status, 200, "another one");
        let reused = send(2, "DELETE", "/db?force=true", "", "d-1").await;
        assert_eq!(error_body(&reused.text).code, ErrorCode::KeyReused);
    });
}

#[test]
fn an_apply_that_is_repeated_after_another_one_does_not_come_back() {
    let group = Group::start(3);
    group.leader();
    group.block_on(async {
        let send = |at: usize, key: &'static str, replicas: u32| {
            let body = serde_json::to_string(&request(replicas)).unwrap();
            let url = format!("{}/v1/apply", group.url(at));
            async move { send_with(url, "POST", &body, &[("idempotency-key", key)]).await }
        };
        let version = |text: &str| serde_json::from_str::<icefield_api::ApplyResponse>(text).unwrap().version;
        let first = send(0, "first", 1).await;
        send(1, "second", 2).await;
        let again = send(2, "first", 1).await;
        assert_eq!(version(&again.text), version(&first.text));
        assert_eq!(group.client().spec().await.unwrap(), Some(spec(2)));
    });
}

#[test]
fn writes_survive_the_leaders_death_without_being_done_twice() {
    let mut group = Group::start(3);
    for round in 0..2 {
        let leader = group.leader();
        let client = group.client();
        let writers: Vec<_> = (0..20)
            .map(|writer| {
                let client = client.clone();
                let text = format!("round {round} writer {writer}");
                group.spawn(async move {
                    for number in 0..10 {
                        client.note(&format!("{text} number {number}")).await.unwrap();
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(30));
        group.kill(leader);
        for writer in writers {
            group.block_on(writer).unwrap();
        }
        group.restart(leader);
    }
    let events = group.block_on(group.client().events(None, Duration::ZERO)).unwrap().events;
    let mut notes: Vec<&str> =
        events.iter().filter(|event| event.kind == EventKind::Note).map(|event| event.message.as_str()).collect();
    assert_eq!(notes.len(), 400, "each was acknowledged");
    notes.sort_unstable();
    notes.dedup();
    assert_eq!(notes.len(), 400, "and none was done twice");
}

#[test]
fn a_note_is_one_line_of_text() {
    let group = Group::start(1);
    group.leader();
    group.block_on(async {
        let client = group.client();
        client.note("deploying 42").await.unwrap();
        let event = client.events(None, Duration::ZERO).await.unwrap().events.pop().unwrap();
        assert_eq!((event.kind, &*event.subject, &*event.message), (EventKind::Note, "operator", "deploying 42"));
        for text in ["", "two\nlines", &"x".repeat(1_025)] {
            assert_eq!(refused(client.note(text).await).0, ErrorCode::Invalid);
        }
    });
}
