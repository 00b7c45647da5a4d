//! Bases whose nodes go from one NixOS system to the next: real servers and agents, the real Nix, and hosts of their own.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::secure::SecureCluster;
use common::{Outcome, PATIENCE};

const HOST: &str = include_str!("../crates/agent/tests/host/host.sh");

/// Two zones of two nodes, and a service on all of them.
const FILE: &str = r#"
cluster("fleet")
base("std", system = "SYSTEM",
    update = canary(hold = "0s", max_unavailable = 1, healthy_for = "500ms", deadline = "30s"))
for name, zone in [("n1", "a"), ("n2", "a"), ("n3", "b"), ("n4", "b")]:
    node(name, cpu = 2, memory = "1GiB", base = "std", labels = {"zone": zone})
service("web", replicas = 3, cpu = "10m", memory = "16MiB", spread = [spread("node", max = 1)],
    run = exec(["sh", "-c", "exec sleep 1000"]),
    update = rolling(healthy_for = "100ms"))
"#;

const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// A cluster whose nodes are hosts with a root of their own and a store that they share.
struct Fleet {
    cluster: SecureCluster,
    variables: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl Fleet {
    /// Nodes that run the first of these systems; `None` if there is no Nix.
    fn start(test: &str, systems: &[&str]) -> Option<Self> {
        if Command::new("nix-store").arg("--version").output().is_err() {
            assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none_or(|value| value != "1"), "nix-store not found");
            eprintln!("SKIPPED {test}: nix-store not found");
            return None;
        }
        let mut fleet = Self { cluster: SecureCluster::start(), variables: BTreeMap::new() };
        for node in NODES {
            let root = fleet.root(node);
            fs::create_dir_all(&root).unwrap();
            let laid_out = Command::new("sh")
                .args(["-c", HOST, "host.sh"])
                .arg(&root)
                .args(systems)
                .env("NIX", fleet.cluster.environment.path("nix"))
                .output()
                .unwrap();
            assert!(laid_out.status.success(), "{}", String::from_utf8_lossy(&laid_out.stderr));
            let told = String::from_utf8(laid_out.stdout).unwrap();
            let pairs = told.lines().filter_map(|line| line.split_once('='));
            let mut variables: BTreeMap<String, String> =
                pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let path = format!("{}/bin:{}", root.display(), std::env::var("PATH").unwrap());
            variables.insert("PATH".into(), path);
            fleet.variables.insert(node, variables);
            let token = fleet.cluster.token(&["join-token", "create", "--node", node]);
            fleet.agent(node, &["--join", &token]);
        }
        fleet.cluster.until("all nodes are there", &["node", "list", "--json"], |answer| {
            answer["nodes"].as_array().is_some_and(|nodes| nodes.len() == NODES.len())
        });
        Some(fleet)
    }

    fn root(&self, node: &str) -> PathBuf {
        self.cluster.environment.path("hosts").join(node)
    }

    fn agent(&mut self, node: &'static str, more: &[&str]) {
        let root = self.root(node);
        let path = |name: &str| root.join(name).display().to_string();
        let (profile, run, reboot, boot_id) =
            (path("profiles/system"), path("run"), path("bin/reboot"), path("boot-id"));
        let mut arguments = vec!["--system-profile", &profile, "--system-run", &run];
        arguments.extend(["--reboot-command", &reboot, "--boot-id", &boot_id]);
        arguments.extend(more);
        let pid = self.cluster.agent_in(node, &["s1"], &arguments, &self.variables[node]);
        fs::write(root.join("agent.pid"), pid.to_string()).unwrap();
    }

    fn system(&self, version: &str) -> String {
        leads_to(&self.cluster.environment.path("nix/systems").join(version))
    }

    /// Applies the file with this system; meanwhile, machines that go down come up again.
    fn apply(&mut self, version: &str) -> Outcome {
        let file = self.cluster.environment.write("fleet.star", &FILE.replace("SYSTEM", &self.system(version)));
        let mut command = self.cluster.environment.command();
        command.arg("apply").arg(file).args(["--yes", "--timeout", "3m"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut apply = command.spawn().unwrap();
        let start = Instant::now();
        while apply.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE * 3, "apply has no end");
            for node in NODES {
                if !self.cluster.is_running(node) {
                    self.agent(node, &[]);
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let output = apply.wait_with_output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What each node runs, names in its profile, and starts with the next time; one only where all agree.
    fn assert_all(&self, version: &str) {
        for node in NODES {
            for link in ["profiles/system", "run/current-system", "boot/default"] {
                assert_eq!(leads_to(&self.root(node).join(link)), self.system(version), "{link} of {node}");
            }
        }
    }

    /// The nodes in the order in which they were asked for a system.
    fn asked(&self, version: &str) -> Vec<String> {
        let events = self.cluster.environment.json(["events", "--json"]);
        let short = short(&self.system(version));
        let asked =
            events["events"].as_array().unwrap().iter().filter(|event| event["message"] == format!("to run {short}"));
        asked.map(|event| event["subject"].as_str().unwrap().trim_start_matches("node ").to_owned()).collect()
    }
}

fn leads_to(link: &Path) -> String {
    fs::canonicalize(link).unwrap().display().to_string()
}

/// As it is told of.
fn short(path: &str) -> String {
    let (hash, name) = path.rsplit('/').next().unwrap().split_once('-').unwrap();
    format!("{}-{name}", &hash[..8])
}

#[test]
fn nodes_go_to_another_system_in_waves_and_all_go_back_from_a_bad_one_with_nix() {
    let test = "nodes_go_to_another_system_in_waves_and_all_go_back_from_a_bad_one_with_nix";
    let Some(mut fleet) = Fleet::start(test, &["v1", "v2", "v3:other", "v4"]) else { return };
    let outcome = fleet.apply("v1");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");

    let outcome = fleet.apply("v2");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    fleet.assert_all("v2");
    assert_eq!(fleet.asked("v2"), NODES, "one zone after the other");

    // Another kernel: each is drained, restarted, and takes replicas again.
    let outcome = fleet.apply("v3");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    fleet.assert_all("v3");
    for node in NODES {
        assert_eq!(leads_to(&fleet.root(node).join("run/booted-system")), fleet.system("v3"));
        assert!(fs::read_to_string(fleet.root(node).join("boot-id")).unwrap() != "boot-1\n", "{node} was restarted");
    }
    let listed = fleet.cluster.environment.json(["node", "list", "--json"]);
    assert!(listed["nodes"].as_array().unwrap().iter().all(|node| node["state"] == "ready"), "{listed:#}");

    // The second zone cannot come to it: the first goes back too.
    fs::write(fleet.root("n3").join("trouble"), "switch v4 fail\nboot v4 fail\n").unwrap();
    let outcome = fleet.apply("v4");
    assert_eq!(outcome.code, Some(3), "{outcome:#?}");
    assert!(outcome.stderr.contains("base std: rolled back, because n3 went back by itself"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("goes wrong, as it was told to"), "{}", outcome.stderr);
    assert_eq!(fleet.asked("v4"), ["n1", "n2", "n3"]);
    fleet.assert_all("v3");

    let environment = &fleet.cluster.environment;
    let status = environment.json(["rollout", "status", "base/std", "--json"]);
    let base = &status["bases"][0];
    assert_eq!((&base["rollout"]["state"], &base["updated"]), (&"rolled-back".into(), &4.into()), "{status:#}");
    let history = environment.json(["node", "history", "n3", "--json"]);
    let entries = history["entries"].as_array().unwrap();
    let outcomes: Vec<_> = entries.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["active", "rolled-back", "active", "active", "active"], "{history:#}");
    // What the node itself knows of two of its generations.
    let of = |at: usize| entries[at]["generation"].to_string();
    let text = environment.ok(["diff", "n3", &of(3), &of(2)]);
    let (v2, v3) = (short(&fleet.system("v2")), short(&fleet.system("v3")));
    assert!(text.contains(&format!("~ system  {v2} → {v3}")), "{text}");
    assert!(text.contains("~ package kernel 1 → other") || text.contains("+ package kernel"), "{text}");
    let wrong = environment.run(["diff", "n3", "1", "4711"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("no generation 4711"), "{wrong:#?}");
    let text = environment.ok(["rollout", "history", "base/std"]);
    assert!(text.contains("rolled back") && text.contains(&short(&fleet.system("v4"))), "{text}");
}

#[test]
fn a_node_goes_back_on_request_with_nix() {
    let test = "a_node_goes_back_on_request_with_nix";
    let Some(mut fleet) = Fleet::start(test, &["v1", "v2"]) else { return };
    for version in ["v1", "v2"] {
        let outcome = fleet.apply(version);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    }
    fleet.cluster.environment.ok(["node", "rollback", "n2"]);
    let v1 = fleet.system("v1");
    fleet.cluster.until("n2 runs v1 well", &["node", "list", "--json"], |answer| {
        answer["nodes"].as_array().is_some_and(|nodes| {
            nodes.iter().any(|node| {
                let system = &node["system"];
                node["name"] == "n2" && system["running"] == v1.as_str() && system["state"] == "active"
            })
        })
    });
    assert_eq!(leads_to(&fleet.root("n2").join("profiles/system")), v1);
    assert_eq!(leads_to(&fleet.root("n1").join("profiles/system")), fleet.system("v2"));
    let wrong = fleet.cluster.environment.run(["node", "history", "n9"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("there is no node n9"), "{wrong:#?}");
    fleet.cluster.environment.ok(["rollout", "undo", "base/std"]);
    fleet.cluster.until("all are back", &["rollout", "status", "base/std", "--json"], |answer| {
        answer["bases"][0]["rollout"]["state"] == "rolled-back"
    });
    fleet.assert_all("v1");
}
