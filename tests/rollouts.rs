//! Rollouts of real processes, under calls that never pause.

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::resolver::{self, Found};
use common::{DevCluster, Outcome, TestEnvironment, all_healthy, get, kill};
use serde_json::Value;

/// Answers with its version. Of the bad ones, one ends at once, one never answers, and one answers well for three seconds.
const APP: &str = r#"
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
version, started = sys.argv[1], time.monotonic()
if version == "exits":
    sys.exit(7)
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_GET(self):
        if version == "hangs":
            time.sleep(3600)
        bad = version == "spoils" and time.monotonic() - started > 3
        self.send_response(500 if bad else 200)
        self.end_headers()
        self.wfile.write(version.encode())
    def log_message(self, *arguments):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server((os.environ["ICEFIELD_ADDRESS"], int(os.environ["PORT_HTTP"])), Handler).serve_forever()
"#;

const SPEC: &str = r#"
cluster("test")
for name in ["a", "b", "c"]:
    node(name, cpu = 4, memory = "4GiB", labels = {"zone": name})
service("web",
    run = exec(["python3", "app.py", "VERSION"]),
    replicas = 4,
    cpu = "50m", memory = "64MiB",
    ports = {"http": dynamic()},
    health = http("/", port = "http", every = "200ms", timeout = "3s", threshold = 3, grace = "30s"),
    spread = [spread("zone")],
    update = UPDATE)
"#;

const SURGING: &str = r#"rolling(max_unavailable = 0, max_surge = 1, healthy_for = "500ms", deadline = "15s")"#;
const CANARY: &str = r#"canary(count = 1, confirm = True, healthy_for = "500ms", deadline = "15s")"#;
const BLUE_GREEN: &str = r#"blue_green(keep = "1s", healthy_for = "500ms", deadline = "15s")"#;

/// The same on ten nodes, fifty times; an update may take a while on a small machine.
fn large(environment: &TestEnvironment, version: &str, update: &str) -> PathBuf {
    let text = SPEC.replace("VERSION", version).replace("UPDATE", update).replace("15s", "90s").replace("30s", "120s");
    let text = text.replace("for name in [\"a\", \"b\", \"c\"]", "for name in [\"n%d\" % at for at in range(10)]");
    environment.write("app.py", APP);
    environment.write(&format!("{version}.star"), &text.replace("replicas = 4", "replicas = 50"))
}

/// A file that declares the service at a version, to be updated in a way.
fn file(environment: &TestEnvironment, name: &str, version: &str, update: &str) -> PathBuf {
    let text = SPEC.replace("VERSION", version).replace("UPDATE", update);
    environment.write("app.py", APP);
    environment.write(name, &text)
}

fn start<'a>(environment: &'a TestEnvironment, update: &str) -> DevCluster<'a> {
    DevCluster::start(environment, &file(environment, "watched.star", "v1", update), None)
}

fn apply(environment: &TestEnvironment, version: &str, update: &str) -> Outcome {
    // A file that `dev` watches would be applied by it once more.
    let file = file(environment, &format!("{version}.star"), version, update);
    environment.run(["apply".as_ref(), file.as_os_str(), "--yes".as_ref(), "--timeout".as_ref(), "60s".as_ref()])
}

/// How a caller goes by what it was told.
#[derive(Debug, Clone, Copy)]
enum Asks {
    /// It asks before each call.
    Always,
    /// It keeps an answer for as long as that may be kept.
    WhenItMust,
}

/// Two programs that call the service every few milliseconds, wherever their node's agent says that it is. One asks for
/// each call, one keeps answers for as long as they may be kept.
struct Caller {
    ends: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Caller {
    fn start(cluster: &DevCluster<'_>) -> Self {
        let dns: SocketAddr = cluster.running()["nodes"][0]["dns"].as_str().unwrap().parse().unwrap();
        let (ends, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let start = |asks| {
            let (over, counted) = (Arc::clone(&ends), Arc::clone(&calls));
            std::thread::spawn(move || call(dns, asks, &over, &counted))
        };
        let threads = [Asks::Always, Asks::WhenItMust].map(start).into();
        Self { ends, calls, threads }
    }

    /// Ends it; no call may have failed.
    fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        let failures: Vec<String> = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let calls = self.calls.load(Ordering::Relaxed);
        assert!(calls > 100, "only {calls} calls");
        assert!(
            failures.is_empty(),
            "{} of {calls} calls failed: {:#?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
    }
}

/// Calls until `over`; the calls that failed.
fn call(dns: SocketAddr, asks: Asks, over: &AtomicBool, calls: &AtomicU64) -> Vec<String> {
    let (mut failures, mut known) = (Vec::new(), None::<Found>);
    for at in 0_usize.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        if matches!(asks, Asks::Always) {
            known = None;
        }
        let found = known.take().filter(|found| Instant::now() < found.until);
        // Who is told nothing asks again.
        let Some(found) = found.or_else(|| resolver::find(dns, "http", "web.test.icefield")) else { continue };
        let replica = found.replicas[at % found.replicas.len()];
        calls.fetch_add(1, Ordering::Relaxed);
        if get(&format!("http://{replica}/")).is_none() {
            failures.push(format!("{asks:?}: call {at} to {replica}"));
        }
        known = Some(found);
    }
    failures
}

fn endpoints(api: &str) -> Option<Vec<String>> {
    let body = get(&format!("{api}/v1/services/web/endpoints"))?;
    let answer: Value = serde_json::from_str(&body).ok()?;
    let url = |one: &Value| Some(format!("http://{}:{}/", one["address"].as_str()?, one["ports"]["http"]));
    answer["endpoints"].as_array()?.iter().map(url).collect()
}

/// What the replicas that discovery knows of answer, each answer once.
fn answers(cluster: &DevCluster<'_>) -> Vec<String> {
    let api = cluster.status()["api"].as_str().unwrap().to_owned();
    let mut answers: Vec<String> = endpoints(&api).unwrap().iter().filter_map(|url| get(url)).collect();
    answers.sort();
    answers.dedup();
    answers
}

fn rollout(status: &Value) -> &Value {
    &status["services"][0]["rollout"]
}

#[test]
fn no_call_fails_while_a_surge_or_green_replaces_what_serves_with_python() {
    for update in [SURGING, BLUE_GREEN] {
        let environment = TestEnvironment::new();
        let cluster = start(&environment, update);
        let caller = Caller::start(&cluster);
        let outcome = apply(&environment, "v2", update);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        assert_eq!(answers(&cluster), ["v2"]);
        let undone = environment.ok(["rollout", "undo", "web"]);
        assert!(undone.contains("web goes back"), "{undone}");
        cluster.until("it is back", |status| rollout(status)["state"] == "rolled-back" && all_healthy(status));
        assert_eq!(answers(&cluster), ["v1"]);
        caller.end();
        let history = environment.json(["rollout", "history", "web", "--json"]);
        let states: Vec<&Value> = history["rollouts"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["rolled-back", "done"]);
        let again = environment.run(["rollout", "undo", "web"]);
        assert_eq!(again.code, Some(1), "{again:#?}");
        let nowhere = environment.run(["rollout", "undo", "web", "--to", "0123"]);
        assert!(nowhere.code == Some(1) && nowhere.stderr.contains("no revision of web is kept"), "{nowhere:#?}");
        cluster.stop();
    }
}

#[test]
fn fifty_replicas_are_replaced_and_no_call_fails_though_an_agent_is_killed_with_python() {
    let few = SURGING.replace("max_surge = 1", "max_surge = 10");
    for update in [&few, BLUE_GREEN] {
        let environment = TestEnvironment::new();
        let first = large(&environment, "v1", update);
        // Fifty programs take their time to start where two cores are shared with others.
        let start = ["dev".as_ref(), first.as_os_str(), "--detach".as_ref(), "--timeout=3m".as_ref()];
        environment.ok(start);
        let cluster = DevCluster::running_already(&environment);
        let caller = Caller::start(&cluster);
        let file = large(&environment, "v2", update);
        let mut command = environment.command();
        let mut apply = command.arg("apply").arg(&file).arg("--yes").stdout(Stdio::null()).spawn().unwrap();
        cluster.until("it is on its way", |status| status["services"][0]["replicas"].as_array().unwrap().len() > 50);
        let agent = cluster.running()["nodes"][3]["pid"].clone();
        kill(&agent);
        assert_eq!(apply.wait().unwrap().code(), Some(0));
        assert_eq!(answers(&cluster), ["v2"]);
        caller.end();
        cluster.stop();
    }
}

#[test]
fn a_canary_waits_for_a_person_with_python() {
    let environment = TestEnvironment::new();
    let cluster = start(&environment, CANARY);
    let caller = Caller::start(&cluster);
    let outcome = apply(&environment, "v2", CANARY);
    assert_eq!(outcome.code, Some(4), "{outcome:#?}");
    assert!(outcome.stderr.contains("`icefield rollout confirm web`"), "{outcome:#?}");
    assert_eq!(answers(&cluster), ["v1", "v2"]);
    let shown = environment.ok(["rollout", "status", "web"]);
    assert!(shown.contains("held") && shown.contains("1/4"), "{shown}");
    environment.ok(["rollout", "confirm", "web"]);
    let paused = environment.json(["rollout", "pause", "web", "--json"]);
    assert_eq!(paused["rollout"]["paused"], true);
    environment.ok(["rollout", "resume", "web"]);
    cluster.until("the rest has followed", |status| rollout(status)["state"] == "done" && all_healthy(status));
    assert_eq!(answers(&cluster), ["v2"]);
    caller.end();
    let wrong = environment.run(["rollout", "confirm", "wep"]);
    assert!(wrong.stderr.contains("did you mean web?"), "{wrong:#?}");
    cluster.stop();
}

#[test]
fn a_bad_version_goes_back_by_itself_with_python() {
    let environment = TestEnvironment::new();
    let cluster = start(&environment, SURGING);
    let caller = Caller::start(&cluster);
    for (bad, update) in [("exits", SURGING), ("hangs", SURGING), ("exits", BLUE_GREEN)] {
        let outcome = apply(&environment, bad, update);
        assert_eq!(outcome.code, Some(3), "{bad}: {outcome:#?}");
        assert!(outcome.stderr.contains("rolled back, because web/"), "{outcome:#?}");
        assert_eq!(answers(&cluster), ["v1"]);
        assert_eq!(apply(&environment, "v1", update).code, Some(0));
    }
    caller.end();
    // It serves well at first and is called, so some calls may meet its errors.
    let held = SURGING.replace("healthy_for = \"500ms\"", "healthy_for = \"4s\"");
    let outcome = apply(&environment, "spoils", &held);
    assert_eq!(outcome.code, Some(3), "{outcome:#?}");
    assert_eq!(answers(&cluster), ["v1"]);
    cluster.stop();
}

#[test]
fn an_undo_goes_as_far_back_as_asked_with_python() {
    let environment = TestEnvironment::new();
    let cluster = start(&environment, SURGING);
    let first = cluster.status()["services"][0]["revision"].as_str().unwrap().to_owned();
    for version in ["v2", "v3"] {
        assert_eq!(apply(&environment, version, SURGING).code, Some(0));
    }
    assert_eq!(answers(&cluster), ["v3"]);
    let history = environment.json(["rollout", "history", "web", "--json"]);
    assert_eq!(history["kept"].as_array().unwrap().len(), 2, "{history}");
    let undone = environment.ok(["rollout", "undo", "web", "--to", &first[..10]]);
    assert!(undone.contains("web goes back"), "{undone}");
    cluster.until("it is back", |status| rollout(status)["state"] == "rolled-back" && all_healthy(status));
    assert_eq!(answers(&cluster), ["v1"]);
    cluster.stop();
}

#[test]
fn who_stops_following_leaves_the_rollout_at_work_with_python() {
    let environment = TestEnvironment::new();
    let cluster = start(&environment, SURGING);
    let file = file(&environment, "v2.star", "v2", SURGING);
    let mut command = environment.command();
    let child =
        command.arg("apply").arg(&file).arg("--yes").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    cluster.until("it is on its way", |status| rollout(status)["state"] == "progressing");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("`icefield rollout status`"), "{said}");
    cluster.until("it is done", |status| rollout(status)["state"] == "done" && all_healthy(status));
    assert_eq!(answers(&cluster), ["v2"]);
    cluster.stop();
}
