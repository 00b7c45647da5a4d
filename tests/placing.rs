//! What placement does for a user of a dev cluster: daemons, volumes, better layouts.

mod common;

use std::fs;

use common::{DevCluster, TestEnvironment, all_healthy, replicas};
use serde_json::{Value, json};

/// Three nodes with a daemon, and a service whose data stays on its node.
const STORES: &str = r#"
cluster("test")
for name in ["a", "b", "c"]:
    node(name, cpu = 2, memory = "1GiB", labels = {"zone": name})
service("log", run = exec(["sleep", "1000"]), daemon = True, cpu = "10m", memory = "16MiB", priority = 5)
service("db",
    run = exec(["sh", "-c", "echo run >> $VOLUME_DATA/runs; exec sleep 1000"]),
    replicas = 1, cpu = "10m", memory = "16MiB", volumes = {"data": volume()})
"#;

/// Six processes that could be two on each of three nodes.
const SLEEPERS: &str = r#"
cluster("test")
for name in ["a", "b", "c"]:
    node(name, cpu = 2, memory = "1GiB", labels = {"zone": name})
service("sleeper",
    run = exec(["sleep", "1000"]),
    replicas = 6, cpu = "10m", memory = "16MiB",
    spread = [spread("zone")],
    update = rolling(max_unavailable = 1, healthy_for = "500ms"))
"#;

fn service<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["services"].as_array().unwrap().iter().find(|service| service["name"] == name).unwrap()
}

#[test]
fn a_daemon_follows_the_nodes_and_a_volume_stays_on_its_own() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", STORES);
    let data = environment.path("data");
    let cluster = DevCluster::start(&environment, &file, Some(&data));
    let status = cluster.status();
    assert_eq!((&service(&status, "log")["desired"], &service(&status, "log")["daemon"]), (&json!(3), &json!(true)));
    let home = service(&status, "db")["replicas"][0]["node"].as_str().unwrap().to_owned();
    let runs = data.join("nodes").join(&home).join("volumes/db-0/data/runs");
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n");
    environment.ok(["dev", "kill-node", &home]);
    let status = cluster.until("the daemon is on the other two", |status| {
        let (log, db) = (service(status, "log"), service(status, "db"));
        log["desired"] == 2 && log["healthy"] == 2 && db["replicas"][0]["node"].is_null()
    });
    assert_eq!(service(&status, "db")["healthy"], 0);
    assert!(environment.ok(["status"]).contains("2/2 daemon"));
    let explained = environment.ok(["explain", "db"]);
    assert!(explained.contains("db/0 is nowhere") && explained.contains(&home), "{explained}");
    environment.ok(["dev", "start-node", &home]);
    let status = cluster.until("all is back", |status| all_healthy(status) && service(status, "log")["desired"] == 3);
    assert_eq!(service(&status, "db")["replicas"][0]["node"], *home);
    // An agent begins with what it had last, and may be told that this is nowhere before it is told that it is back.
    let written = fs::read_to_string(&runs).unwrap();
    assert!(written.starts_with("run\nrun\n"), "what it wrote before is still there: {written:?}");
    cluster.stop();
}

#[test]
fn rebalancing_spreads_what_a_new_node_could_take() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let crowded = |status: &Value| replicas(status).iter().filter(|replica| replica["node"] == "c").count();
    environment.ok(["node", "drain", "c"]);
    cluster.until("the node is empty", |status| crowded(status) == 0 && all_healthy(status));
    environment.ok(["node", "uncordon", "c"]);
    let proposal = environment.json(["rebalance", "--seconds", "1", "--json"]);
    assert!(proposal["before"].as_f64().unwrap() > proposal["after"].as_f64().unwrap(), "{proposal}");
    assert_eq!(crowded(&cluster.status()), 0, "it was only looked for");
    let unasked = environment.run(["rebalance", "--seconds", "1"]);
    assert_eq!(unasked.code, Some(1));
    assert!(unasked.stderr.contains("--yes"), "{unasked:#?}");
    let told = environment.ok(["rebalance", "--seconds", "1", "--yes"]);
    assert!(told.contains("less") && told.contains("rebalance done: 2 moves"), "{told}");
    let status = cluster.status();
    assert!(crowded(&status) == 2 && all_healthy(&status), "{status:#}");
    let again = environment.ok(["rebalance", "--seconds", "1", "--yes"]);
    assert!(again.contains("No better layout was found"), "{again}");
    cluster.stop();
}

#[test]
fn a_node_is_drained_and_removed_and_joins_again() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SLEEPERS);
    let cluster = DevCluster::start(&environment, &file, None);
    let state = |status: &Value, name: &str| {
        status["nodes"].as_array().unwrap().iter().find(|node| node["name"] == name).unwrap()["state"].clone()
    };
    let refused = environment.run(["node", "remove", "c"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("icefield node drain c --wait"), "{refused:#?}");
    let drained = environment.ok(["node", "drain", "c", "--wait"]);
    assert!(drained.trim_end().ends_with("node c is empty"), "{drained}");
    assert!(replicas(&cluster.status()).iter().all(|replica| replica["node"] != "c"));
    assert_eq!(environment.ok(["node", "remove", "c"]), "node c is removed\n");
    assert_eq!(environment.ok(["node", "remove", "c"]), "node c is removed\n", "again, and nothing is wrong");
    assert_eq!(state(&cluster.status(), "c"), "joining");
    environment.ok(["dev", "kill-node", "c"]);
    environment.ok(["dev", "start-node", "c"]);
    cluster.until("it has joined again", |status| state(status, "c") == "ready");
    cluster.stop();
}
