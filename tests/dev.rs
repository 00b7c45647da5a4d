//! A dev cluster as a user runs it, with real processes that are killed.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{DevCluster, TestEnvironment, all_healthy, example, get, kill, replicas, request};
use serde_json::{Value, json};

/// Three nodes and a service of sleeping processes: it starts fast and needs nothing but a shell.
const SLEEPERS: &str = r#"
cluster("test")
for name in ["a", "b", "c"]:
    node(name, cpu = 2, memory = "1GiB", labels = {"zone": name})
service("sleeper",
    run = exec(["sh", "-c", "echo started as $$ICEFIELD_INDEX; exec sleep 1000"]),
    replicas = var("replicas", default = 3),
    cpu = "10m", memory = "16MiB",
    env = {"COLOUR": "red"},
    spread = [spread("zone")])
"#;

fn pids(status: &Value) -> Vec<u64> {
    replicas(status).iter().map(|replica| replica["pid"].as_u64().unwrap()).collect()
}

/// Starts `dev` in the foreground and waits until all is healthy.
fn foreground<'a>(environment: &'a TestEnvironment, file: &Path, output: Stdio) -> (Child, DevCluster<'a>) {
    let child = environment.command().arg("dev").arg(file).stdout(output).stderr(Stdio::null()).spawn().unwrap();
    let cluster = DevCluster::running_already(environment);
    cluster.until("all is healthy", all_healthy);
    (child, cluster)
}

#[test]
fn every_way_to_end_it_leaves_no_process() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let environment = TestEnvironment::new();
        let file = environment.write("icefield.star", SLEEPERS);
        let (mut child, cluster) = foreground(&environment, &file, Stdio::null());
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert!(child.wait().unwrap().success(), "{signal}");
        assert!(cluster.processes().is_empty(), "{signal}: {:?}", cluster.processes());
    }
}

#[test]
fn it_ends_whole_when_nobody_reads_what_it_says() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let (mut child, cluster) = foreground(&environment, &file, Stdio::piped());
    drop(child.stdout.take());
    // The next thing it has to say finds nobody.
    fs::write(&file, SLEEPERS.replace("default = 3", "default = 4")).unwrap();
    child.wait().unwrap();
    assert!(cluster.processes().is_empty(), "{:?}", cluster.processes());
}

#[test]
fn a_killed_dev_leaves_no_server_and_its_replicas_are_swept() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let (mut child, cluster) = foreground(&environment, &file, Stdio::null());
    child.kill().unwrap();
    child.wait().unwrap();
    environment.ok(["dev", "--stop"]);
    let start = Instant::now();
    while !cluster.processes().is_empty() {
        assert!(start.elapsed() < common::PATIENCE, "{:?}", cluster.processes());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hello_serves_and_heals_with_python() {
    let environment = TestEnvironment::new();
    let cluster = DevCluster::start(&environment, &example("hello"), None);
    let status = cluster.status();
    assert_eq!(status["schema"], 1);
    assert_eq!(status["cluster"], "hello");
    assert!(status["leader"].is_string());
    let web = &status["services"][0];
    assert_eq!(
        (&web["name"], &web["desired"], &web["running"], &web["healthy"]),
        (&json!("web"), &json!(4), &json!(4), &json!(4))
    );
    assert!(status["nodes"].as_array().unwrap().iter().all(|node| node["state"] == "ready"));
    // Every zone has one before any has three.
    let mut per_node = std::collections::BTreeMap::new();
    for replica in replicas(&status) {
        *per_node.entry(replica["node"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert!(per_node.len() == 3 && per_node.values().all(|count| *count <= 2), "{per_node:?}");
    let url = |status: &Value, replica: &Value| {
        let nodes = status["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["name"] == replica["node"]).unwrap();
        format!("http://{}:{}/", node["address"].as_str().unwrap(), replica["ports"]["http"])
    };
    for replica in replicas(&status) {
        assert!(get(&url(&status, replica)).unwrap().contains("Hello from Icefield"));
    }
    let victim = replicas(&status)[0]["pid"].clone();
    kill(&victim);
    let healed = cluster
        .until("the killed replica is back", |status| all_healthy(status) && replicas(status)[0]["pid"] != victim);
    assert!(get(&url(&healed, replicas(&healed)[0])).is_some());
    assert_eq!(replicas(&healed)[0]["restarts"], 1);
    cluster.stop();
}

#[test]
fn a_killed_agent_leaves_its_replicas_and_the_next_one_adopts_them() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let before = cluster.status();
    let running = cluster.running();
    let agent = &running["nodes"][0];
    kill(&agent["pid"]);
    let start = Instant::now();
    while cluster.running()["nodes"][0]["pid"] == agent["pid"] || cluster.running()["nodes"][0]["pid"].is_null() {
        assert!(start.elapsed() < common::PATIENCE, "the agent was not started anew");
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = cluster.until("all is healthy", all_healthy);
    assert_eq!(pids(&before), pids(&after), "no replica was restarted");
    cluster.stop();
}

#[test]
fn a_killed_leader_is_replaced_and_nothing_is_lost() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let before = cluster.status();
    let leader = before["leader"].as_str().unwrap().to_owned();
    let running = cluster.running();
    let servers = running["servers"].as_array().unwrap();
    let at = servers.iter().position(|server| server["name"] == *leader).unwrap();
    kill(&servers[at]["pid"]);
    // It is started anew; whether it or another one leads then is for the servers to settle.
    let start = Instant::now();
    while !cluster.running()["servers"][at]["pid"].is_u64()
        || cluster.running()["servers"][at]["pid"] == servers[at]["pid"]
    {
        assert!(start.elapsed() < common::PATIENCE, "the server was not started anew");
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = cluster.until("a server leads", |status| status["leader"].is_string() && all_healthy(status));
    assert_eq!(before["revision"], after["revision"]);
    assert_eq!(pids(&before), pids(&after), "no replica was restarted");
    // The cluster takes writes again.
    environment.ok(["apply".as_ref(), file.as_os_str(), "--yes".as_ref(), "-D".as_ref(), "replicas=5".as_ref()]);
    assert_eq!(replicas(&cluster.status()).len(), 5);
    cluster.stop();
}

#[test]
fn a_dead_nodes_replicas_start_elsewhere_and_it_comes_back() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    environment.ok(["dev", "kill-node", "b"]);
    let status = cluster.until("its replica is healthy elsewhere", |status| {
        all_healthy(status) && replicas(status).iter().all(|replica| replica["node"] != "b")
    });
    let node = status["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "b").unwrap().clone();
    assert_eq!(node["state"], "lost");
    let explained = environment.ok(["explain", "sleeper/1"]);
    assert!(explained.contains("node b is lost"), "{explained}");
    assert!(environment.ok(["events"]).contains("lost"));
    environment.ok(["dev", "start-node", "b"]);
    cluster.until("the node is back", |status| {
        status["nodes"].as_array().unwrap().iter().all(|node| node["state"] == "ready") && all_healthy(status)
    });
    cluster.stop();
}

#[test]
fn a_changed_file_is_applied_and_a_broken_one_is_not() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let before = cluster.status();
    fs::write(&file, SLEEPERS.replace("default = 3", "default = 4")).unwrap();
    let scaled = cluster.until("there are four", |status| replicas(status).len() == 4 && all_healthy(status));
    assert_eq!(pids(&before), pids(&scaled)[..3], "scaling restarts nothing");
    fs::write(&file, "servce(\"x\")").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(cluster.status()["revision"], scaled["revision"]);
    // A new revision of the service replaces every process.
    fs::write(&file, SLEEPERS.replace("red", "blue")).unwrap();
    let rolled = cluster.until("all three are of the new revision", |status| {
        let service = &status["services"][0];
        service["updated"] == 3 && service["rollout"]["state"] == "done" && replicas(status).len() == 3
    });
    assert!(pids(&rolled).iter().all(|pid| !pids(&before).contains(pid)));
    cluster.stop();
}

#[test]
fn a_node_that_is_applied_by_hand_gets_an_agent() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let more =
        environment.write("more.star", &SLEEPERS.replace("[\"a\", \"b\", \"c\"]", "[\"a\", \"b\", \"c\", \"d\"]"));
    environment.ok(["apply".as_ref(), more.as_os_str(), "--yes".as_ref(), "--no-wait".as_ref()]);
    cluster.until("the fourth node is ready", |status| {
        status["nodes"].as_array().unwrap().iter().filter(|node| node["state"] == "ready").count() == 4
    });
    cluster.stop();
}

#[test]
fn a_bad_revision_rolls_back_by_itself() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let good = cluster.status()["services"][0]["revision"].clone();
    let bad = environment.write("bad.star", &SLEEPERS.replace("exec sleep 1000", "exit 3"));
    let outcome = environment.run(["apply".as_ref(), bad.as_os_str(), "--yes".as_ref()]);
    assert_eq!(outcome.code, Some(3), "{outcome:#?}");
    assert!(outcome.stderr.contains("rolled back"), "{outcome:#?}");
    let status = cluster.until("all is healthy again", all_healthy);
    assert_eq!(status["services"][0]["revision"], good);
    cluster.stop();
}

#[test]
fn the_state_outlives_the_cluster() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let data = environment.path("data");
    let cluster = DevCluster::start(&environment, &file, Some(&data));
    environment.ok(["node", "cordon", "c"]);
    let history = environment.json(["history", "--json"]);
    cluster.stop();
    let cluster = DevCluster::start(&environment, &file, Some(&data));
    assert_eq!(environment.json(["history", "--json"]), history, "the same spec is no new entry");
    let nodes = environment.json(["node", "list", "--json"]);
    let c = nodes["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "c").unwrap().clone();
    assert_eq!(c["state"], "cordoned");
    assert!(environment.ok(["events"]).contains("cordoned"));
    cluster.stop();
}

#[test]
fn other_commands_find_the_cluster_by_themselves() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let text = environment.ok(["status"]);
    assert!(text.contains("sleeper/2") && text.contains("3/3"), "{text}");
    let same = environment.run(["plan".as_ref(), file.as_os_str(), "--json".as_ref()]);
    assert_eq!(same.code, Some(0), "{same:#?}");
    let more = ["plan".as_ref(), file.as_os_str(), "-D".as_ref(), "replicas=6".as_ref(), "--json".as_ref()];
    let more = environment.run(more);
    assert_eq!(more.code, Some(2));
    let report: Value = serde_json::from_str(&more.stdout).unwrap();
    assert_eq!(report["placement"]["sleeper"].as_object().unwrap().len(), 6);
    assert!(
        report["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|change| change["kind"] == "service" && change["name"] == "sleeper")
    );
    let logs = environment.ok(["logs", "sleeper/0"]);
    assert!(logs.contains("started as 0"), "{logs}");
    let json: Value = serde_json::from_str(&environment.ok(["logs", "sleeper/0", "--json"])).unwrap();
    assert_eq!((&json["replica"], &json["line"]), (&json!("sleeper/0"), &json!("started as 0")));
    let all = environment.ok(["logs", "sleeper"]);
    assert!(all.contains("sleeper/2 started as 2"), "{all}");
    assert!(environment.ok(["explain", "sleeper"]).contains("sleeper/0 is on"));
    let unknown = environment.run(["explain", "sleper"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("sleeper"), "{unknown:#?}");
    let drained = environment.ok(["node", "drain", "a"]);
    assert!(drained.contains("draining"), "{drained}");
    cluster.until("the node is empty", |status| {
        all_healthy(status) && replicas(status).iter().all(|replica| replica["node"] != "a")
    });
    cluster.stop();
}

#[test]
fn a_saved_plan_is_applied_only_while_it_is_what_would_happen() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let plan = environment.path("plan.json");
    let save = |replicas: &str| {
        let define = format!("replicas={replicas}");
        let arguments =
            ["plan".as_ref(), file.as_os_str(), "-D".as_ref(), define.as_ref(), "--out".as_ref(), plan.as_os_str()];
        let outcome = environment.run(arguments);
        assert_eq!(outcome.code, Some(2), "{outcome:#?}");
    };
    let apply = ["apply".as_ref(), plan.as_os_str(), "--yes".as_ref(), "--no-wait".as_ref()];
    save("4");
    environment.ok(["apply".as_ref(), file.as_os_str(), "--yes".as_ref(), "-D".as_ref(), "replicas=5".as_ref()]);
    let late = environment.run(apply);
    assert_eq!(late.code, Some(1), "{late:#?}");
    assert!(late.stderr.contains("another spec was put in force since it was made"), "{late:#?}");
    assert!(late.stderr.contains("service sleeper differs") && late.stderr.contains("icefield plan"), "{late:#?}");

    save("6");
    for node in ["a", "b", "c"] {
        environment.ok(["node", "cordon", node]);
    }
    let late = environment.run(apply);
    assert_eq!(late.code, Some(1), "{late:#?}");
    assert!(late.stderr.contains("the nodes or the placement have changed since it was made"), "{late:#?}");
    assert!(late.stderr.contains("cordoned: it takes no new replicas"), "{late:#?}");
    for node in ["a", "b", "c"] {
        environment.ok(["node", "uncordon", node]);
    }

    save("4");
    let defined =
        environment.run(["apply".as_ref(), plan.as_os_str(), "--yes".as_ref(), "-D".as_ref(), "replicas=9".as_ref()]);
    assert!(defined.stderr.contains("-D changes nothing"), "{defined:#?}");
    environment.ok(apply);
    cluster.until("four replicas are healthy", |status| all_healthy(status) && replicas(status).len() == 4);
    cluster.stop();
}

#[test]
fn an_operator_leaves_a_note_and_reads_what_one_server_has() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    environment.ok(["events", "add", "deploying 42"]);
    let events = environment.ok(["events", "-n", "50"]);
    assert!(events.lines().any(|line| line.contains("operator") && line.ends_with("deploying 42")), "{events}");
    let bad = environment.run(["events", "add", "two\nlines"]);
    assert!(bad.code == Some(1) && bad.stderr.contains("one line"), "{bad:#?}");
    for command in [&["status"][..], &["events"], &["history"], &["explain", "sleeper"], &["node", "list"]] {
        let outcome = environment.run(command.iter().chain(&["--stale"]));
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        assert!(outcome.stderr.contains("This may be out of date"), "{outcome:#?}");
    }
    let json = environment.json(["status", "--stale", "--json"]);
    assert!(json["stale"]["version"].is_u64(), "{json:#}");
    let now = environment.run(["status"]);
    assert!(!now.stderr.contains("out of date"), "{now:#?}");
    cluster.stop();
}

#[test]
fn a_second_cluster_on_the_same_data_is_refused() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let data = environment.path("data");
    let cluster = DevCluster::start(&environment, &file, Some(&data));
    let second = environment.run(["dev".as_ref(), file.as_os_str(), "--data".as_ref(), data.as_os_str()]);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("already runs"), "{second:#?}");
    cluster.stop();
}

#[test]
fn bad_requests_change_nothing() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let before = cluster.status();
    let api = before["api"].as_str().unwrap();
    let spec = |change: Value| {
        let mut spec = environment.json(["check".as_ref(), file.as_os_str(), "--json".as_ref()]);
        let target = spec.as_object_mut().unwrap();
        target.extend(change.as_object().unwrap().clone());
        json!({ "spec": spec }).to_string()
    };
    let cases = [
        ("POST", "/v1/apply", "this is no JSON".to_owned(), 400),
        ("POST", "/v1/apply", "{\"spec\":".to_owned(), 400),
        ("POST", "/v1/apply", "{}".to_owned(), 400),
        ("POST", "/v1/apply", spec(json!({ "schema": 99 })), 422),
        ("POST", "/v1/apply", spec(json!({ "nodes": {} })), 422),
        ("POST", "/v1/apply", spec(json!({ "cluster": "other" })), 409),
        ("POST", "/v1/plan", "[]".to_owned(), 400),
        ("POST", "/v1/nodes/a", "\"explode\"".to_owned(), 400),
        ("POST", "/v1/nodes/NoSuch/heartbeat", "{}".to_owned(), 400),
        ("POST", "/v1/nodes/nobody", "\"drain\"".to_owned(), 404),
        ("GET", "/v1/services/nobody/explain", String::new(), 404),
        ("GET", "/v1/nothing", String::new(), 404),
        ("DELETE", "/v1/status", String::new(), 405),
    ];
    for (method, path, body, expected) in cases {
        let (code, answer) = request(&format!("{api}{path}"), method, &body);
        assert_eq!(code, expected, "{method} {path} {body}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{method} {path}: {answer}"));
        assert!(answer["message"].as_str().unwrap().len() > 5, "{answer}");
    }
    // Half a request, then silence: others are served meanwhile.
    let host = api.strip_prefix("http://").unwrap();
    let mut half = std::net::TcpStream::connect(host).unwrap();
    std::io::Write::write_all(&mut half, b"POST /v1/apply HTTP/1.1\r\nContent-Le").unwrap();
    let after = cluster.status();
    drop(half);
    assert_eq!(before["revision"], after["revision"]);
    assert_eq!(pids(&before), pids(&after));
    cluster.stop();
}

#[test]
fn shop_takes_an_order_through_all_its_programs_with_python() {
    let environment = TestEnvironment::new();
    let cluster = DevCluster::start(&environment, &example("shop"), None);
    let status = cluster.status();
    let service = status["services"].as_array().unwrap().iter().find(|service| service["name"] == "web").unwrap();
    let replica = &service["replicas"][0];
    let nodes = status["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["name"] == replica["node"]).unwrap();
    let web = format!("http://{}:{}", node["address"].as_str().unwrap(), replica["ports"]["http"]);
    let start = Instant::now();
    let ordered = loop {
        // The endpoints of a service reach the others a moment after it is healthy.
        match get(&format!("{web}/order/ice")) {
            Some(answer) => break answer,
            None => assert!(start.elapsed() < common::PATIENCE, "nothing can be ordered"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(ordered.contains("\"item\": \"ice\""), "{ordered}");
    while !get(&format!("{web}/orders")).unwrap_or_default().contains("\"sent\"") {
        assert!(start.elapsed() < common::PATIENCE, "the order is not sent");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(get(&format!("{web}/")).unwrap().contains("The Icefield Shop"));
    // The store keeps its orders though it dies, and tells nobody who does not know the password.
    let store = status["services"].as_array().unwrap().iter().find(|service| service["name"] == "store").unwrap();
    let store = &store["replicas"][0];
    kill(&store["pid"]);
    let start = Instant::now();
    while !get(&format!("{web}/orders")).unwrap_or_default().contains("\"sent\"") {
        assert!(start.elapsed() < common::PATIENCE, "the order is lost");
        std::thread::sleep(Duration::from_millis(100));
    }
    let node = nodes.iter().find(|node| node["name"] == store["node"]).unwrap();
    let url = format!("http://{}:{}/sql", node["address"].as_str().unwrap(), store["ports"]["http"]);
    assert_eq!(request(&url, "POST", "{\"statement\": \"select 1\", \"values\": []}").0, 401);
    cluster.stop();
}

#[test]
fn what_cannot_become_healthy_is_named() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", &SLEEPERS.replace("\"sh\", \"-c\"", "\"no-such-program\", \"-c\""));
    let outcome = environment.run(["dev".as_ref(), file.as_os_str(), "--detach".as_ref(), "--timeout=4s".as_ref()]);
    assert!(matches!(outcome.code, Some(3 | 4)), "it has failed, or not ended yet: {outcome:#?}");
    assert!(outcome.stderr.contains("no-such-program"), "{outcome:#?}");
    environment.ok(["dev", "--stop"]);
}
