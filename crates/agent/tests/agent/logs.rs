//! What replicas write, kept and read.

use std::time::Duration;

use icefield_agent::LogLimits;
use icefield_api::{ErrorBody, ErrorCode};
use tokio::io::AsyncReadExt as _;

use crate::fixture::{Fixture, exec, sh, until};
use crate::http::{ask, get};
use crate::runner::tests;

tests![
    much_output_is_bounded_and_the_newest_kept,
    bytes_come_out_as_they_went_in,
    logs_are_read_and_followed,
    bad_requests_are_answered,
];

async fn much_output_is_bounded_and_the_newest_kept() {
    let mut fixture = Fixture::new().await;
    fixture.log = LogLimits { file_bytes: 1 << 20, files: 4 };
    fixture.start().await;
    // Lines of 100 bytes, 50 MB of them.
    let script = "seq -f '%099.0f' 1 500000; echo done; sleep 1000";
    fixture.want(1, &[("web/0", &sh(script))]);
    let path = |number: u32| match number {
        0 => fixture.replica_path("web/0", "log"),
        number => fixture.replica_path("web/0", &format!("log.{number}")),
    };
    until("all is written", || std::fs::read(path(0)).is_ok_and(|log| log.ends_with(b"done\n"))).await;
    assert!(!path(4).exists());
    let whole: Vec<u8> = (0..4).rev().flat_map(|number| std::fs::read(path(number)).unwrap()).collect();
    assert!(whole.len() <= 4 << 20, "{}", whole.len());
    let text = String::from_utf8(whole).unwrap();
    let numbers: Vec<u32> = text.lines().filter(|line| *line != "done").map(|line| line.parse().unwrap()).collect();
    let first = numbers[0];
    assert!(first > 450_000 && numbers.len() > 30_000, "{first} {}", numbers.len());
    assert!(numbers.iter().copied().eq(first..=500_000), "every line is whole and in its place");
}

async fn bytes_come_out_as_they_went_in() {
    let fixture = Fixture::running().await;
    fixture.want(1, &[("web/0", &sh("printf '\\377\\000\\033[31mred\\r\\n\\200no end'; printf err >&2; sleep 1000"))]);
    let expected = b"\xff\0\x1b[31mred\r\n\x80no enderr";
    until("it is written", || std::fs::read(fixture.replica_path("web/0", "log")).is_ok_and(|log| log == expected))
        .await;
    let (status, body) = get(fixture.api(), "/v1/replicas/web/0/logs").await;
    assert_eq!((status, body.as_slice()), (200, &expected[..]));
}

async fn logs_are_read_and_followed() {
    let fixture = Fixture::running().await;
    let go = fixture.path("go");
    let script = format!("seq 1 5; while [ ! -e {} ]; do sleep 0.02; done; echo more; sleep 1000", go.display());
    fixture.want(1, &[("web/0", &sh(&script))]);
    fixture.healthy("web/0").await;
    let (status, body) = get(fixture.api(), "/v1/replicas/web/0/logs?tail=2").await;
    assert_eq!((status, String::from_utf8(body).unwrap().as_str()), (200, "4\n5\n"));
    let mut follow = ask(fixture.api(), "/v1/replicas/web/0/logs?tail=1&follow=true").await;
    let mut read = Vec::new();
    let mut wait = async |what: &str| {
        let reading = async {
            while !String::from_utf8_lossy(&read).contains(what) {
                assert!(follow.read_buf(&mut read).await.unwrap() > 0, "ended: {}", String::from_utf8_lossy(&read));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap();
    };
    wait("\n5\n").await;
    std::fs::write(&go, "").unwrap();
    wait("\nmore\n").await;
    fixture.want(2, &[]);
    // Once the replica is removed, the stream ends.
    let ended = tokio::time::timeout(Duration::from_secs(10), follow.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok());
}

async fn bad_requests_are_answered() {
    let fixture = Fixture::running().await;
    fixture.want(1, &[("web/0", &exec(&["sleep", "1000"]))]);
    fixture.healthy("web/0").await;
    assert_eq!(get(fixture.api(), "/healthz").await, (200, b"ok\n".to_vec()));
    let cases = [
        ("/v1/replicas/web/1/logs", 404, ErrorCode::NotFound),
        ("/v1/replicas/web/x/logs", 400, ErrorCode::Invalid),
        ("/v1/replicas/..%2f..%2fetc/0/logs", 400, ErrorCode::Invalid),
        ("/v1/replicas/web/0/logs?tail=-1", 400, ErrorCode::Invalid),
        ("/v1/replicas/web/0/logs?follow=maybe", 400, ErrorCode::Invalid),
        ("/nothing", 404, ErrorCode::NotFound),
    ];
    for (path, status, code) in cases {
        let (got, body) = get(fixture.api(), path).await;
        let error: ErrorBody = serde_json::from_slice(&body).unwrap();
        assert_eq!((got, error.code), (status, code), "{path}: {error}");
    }
}
