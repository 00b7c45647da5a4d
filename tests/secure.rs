//! A cluster with certificates and tokens, as its operator, its users and its enemies meet it.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::secure::{SecureCluster, fetch, get_as, wait_for};
use common::{Outcome, request};
use icefield_api::{Http, HttpOptions, IdentityFolder, Keyring};
use icefield_pki::{Expect, nobody_config};
use serde_json::Value;

/// Two nodes, and services of two namespaces.
const FILE: &str = r#"
cluster("shop")
for name in ["n1", "n2"]:
    node(name, cpu = 2, memory = "1GiB")
namespace("front")
namespace("back")
def sleeper(name, namespace, greeting):
    service(name, namespace = namespace, replicas = 1, cpu = "10m", memory = "16MiB",
        run = exec(["sh", "-c", "echo %s; exec sleep 1000" % greeting]),
        update = rolling(healthy_for = "100ms"))
sleeper("web", "front", var("web", default = "hello"))
sleeper("db", "back", var("db", default = "hello"))
"#;

fn refused(outcome: &Outcome, words: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.stderr.contains(words), "{words:?} is not in {outcome:#?}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn healthy(status: &Value) -> bool {
    common::all_healthy(status)
}

#[test]
fn machines_join_and_people_may_do_what_their_role_says() {
    let mut cluster = SecureCluster::start();
    let file = cluster.environment.write("icefield.star", FILE);
    let file = file.to_str().unwrap().to_owned();

    // Nodes join, each with a token that is good once.
    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    cluster.agent("n1", &["s1"], &["--join", &token]);
    let any = cluster.token(&["join-token", "create"]);
    cluster.agent("n2", &["s1"], &["--join", &any]);
    cluster.until("both nodes are there", &["node", "list", "--json"], |answer| {
        answer["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2)
    });
    cluster.agent("n3", &["s1"], &["--join", &any]);
    let log = cluster.ended("n3");
    assert!(log.contains("used already, by node/n2"), "{log}");
    let short = cluster.token(&["join-token", "create", "--valid", "1s"]);
    std::thread::sleep(Duration::from_millis(1_100));
    cluster.agent("n4", &["s1"], &["--join", &short]);
    assert!(cluster.ended("n4").contains("this join token has ended"));
    let wrong = cluster.token(&["join-token", "create", "--as-server"]);
    cluster.agent("n5", &["s1"], &["--join", &wrong]);
    assert!(cluster.ended("n5").contains("is for a server, and not for a node"));
    let taken = cluster.token(&["join-token", "create"]);
    fs::create_dir_all(cluster.data("thief")).unwrap();
    let data = cluster.data("thief");
    let thief =
        ["agent", "--node", "n1", "--address", "127.77.0.9", "--data", data.to_str().unwrap(), "--join", &taken];
    refused(
        &cluster.environment.run([&thief[..], &["--server", &cluster.url("s1")]].concat()),
        "there is a node n1 already",
    );
    let id = taken.split('.').nth(1).unwrap();
    cluster.environment.ok(["join-token", "revoke", id]);
    let listed = cluster.environment.ok(["join-token", "list"]);
    assert!(listed.contains("node/n2") && !listed.contains(id), "{listed}");

    // People: who may read may not write, and who may write a namespace may not write another.
    let viewer = cluster.token(&["token", "create", "vera", "--role", "viewer"]);
    let front = cluster.token(&["token", "create", "fred", "--role", "deployer", "--namespace", "front"]);
    let deployer = cluster.token(&["token", "create", "dora", "--role", "deployer", "--valid", "1h"]);
    refused(&cluster.run_as(&viewer, &["apply", &file, "--yes"]), "vera has the role viewer");
    refused(&cluster.run_as(&front, &["apply", &file, "--yes"]), "may change services of the namespaces front alone");
    assert_eq!(cluster.run_as(&deployer, &["apply", &file, "--yes"]).code, Some(0));
    cluster.until("all is healthy", &["status", "--json"], healthy);
    assert_eq!(cluster.run_as(&front, &["apply", &file, "--yes", "-D", "web=ahoy"]).code, Some(0));
    let denied = cluster.run_as(&front, &["apply", &file, "--yes", "-D", "web=ahoy", "-D", "db=ahoy"]);
    refused(&denied, "service db of namespace back");
    assert_eq!(cluster.run_as(&viewer, &["status"]).code, Some(0));
    refused(&cluster.run_as(&deployer, &["node", "drain", "n1"]), "this is for the role admin");
    refused(&cluster.run_as(&front, &["token", "list"]), "this is for the role admin");
    wait_for("the log of the new one", || cluster.run_as(&viewer, &["logs", "web/0"]).stdout.contains("ahoy"));

    // A node reads its own plan and where services are, and nothing else.
    let url = cluster.url("s1");
    assert_eq!(get_as(&cluster.data("n1"), &format!("{url}/v1/nodes/n1/plan")).0, 200);
    for path in ["endpoints", "services/web/endpoints"] {
        let (status, body) = get_as(&cluster.data("n1"), &format!("{url}/v1/{path}"));
        assert_eq!(status, 200, "{path}: {body}");
    }
    for path in ["nodes/n2/plan", "status", "spec", "backup", "tokens", "audit"] {
        let (status, body) = get_as(&cluster.data("n1"), &format!("{url}/v1/{path}"));
        assert_eq!(status, 403, "{path}: {body}");
    }
    // Nobody reads anything; only plain HTTP is told what is wrong with it.
    let (status, body) = request(&url.replace("https", "http"), "GET", "");
    assert!(status == 400 && body.contains("TLS"), "{status} {body}");
    assert_eq!(fetch(&Http::new(HttpOptions::default(), Some(nobody_config())), &url, None).0, 0);
    let bundle = IdentityFolder::new(cluster.data("n1")).load().unwrap().unwrap().bundle;
    let nobody =
        Keyring::new(icefield_api::Held { bundle, credential: None }).http(HttpOptions::default(), Expect::Server);
    for path in ["/v1/status", "/v1/endpoints", "/v1/nodes/n1/plan", "/v1/backup", "/v1/openapi.json"] {
        let expected = if path.ends_with("openapi.json") { 200 } else { 401 };
        assert_eq!(fetch(&nobody, &format!("{url}{path}"), None).0, expected, "{path}");
    }

    // Another cluster's people and machines are strangers.
    let other = SecureCluster::start();
    let foreign = other.token(&["token", "create", "vera", "--role", "viewer"]);
    refused(&cluster.run_as(&foreign, &["status"]), "does not belong to the authority that the token names");
    let (status, body) = get_as(&cluster.data("n1"), &other.url("s1"));
    assert!(status == 0 && body.contains("InvalidCertificate"), "{status} {body}");

    // Secrets are where they belong.
    for (name, file) in [
        ("s1", "identity.pem"),
        ("s1", "admin-token"),
        ("s1", "log-00000001"),
        ("s1", "audit.jsonl"),
        ("n1", "identity.pem"),
    ] {
        assert_eq!(mode(&cluster.data(name).join(file)), 0o600, "{name}/{file}");
    }
    assert_eq!(mode(&cluster.environment.path("home/cluster.json")), 0o600);
    assert!(!cluster.data("s1").join("founding.json").exists());
    assert!(!cluster.data("n1").join("joining.pem").exists());

    // The audit log knows all of it, and no secret.
    let audit = cluster.environment.ok(["audit"]);
    for words in ["user fred", "user vera", "join token", "refused: this is for the role admin", "node/n1"] {
        assert!(audit.contains(words), "{words:?} is not in {audit}");
    }
    assert!(cluster.environment.ok(["audit", "verify"]).contains("follow each other"));
    let kept = cluster.data("s1").join("audit.jsonl");
    let last = cluster.environment.json(["audit", "-n", "1", "--json"])["entries"][0]["number"].clone();
    wait_for("the file of the audit log", || {
        fs::read_to_string(&kept).unwrap().contains(&format!("\"number\":{last},"))
    });
    cluster.environment.ok(["audit".as_ref(), "verify".as_ref(), kept.as_os_str()]);
    let forged = cluster.environment.write("forged.jsonl", &fs::read_to_string(&kept).unwrap().replace("vera", "eve"));
    refused(&cluster.environment.run(["audit".as_ref(), "verify".as_ref(), forged.as_os_str()]), "was changed");
    let secret = |token: &str| token.split('.').nth(2).unwrap().to_owned();
    let shown = [
        audit,
        fs::read_to_string(&kept).unwrap(),
        cluster.environment.ok(["status", "--json"]),
        cluster.environment.ok(["events", "--json"]),
        cluster.environment.ok(["ca", "status", "--json"]),
        cluster.environment.ok(["token", "list", "--json"]),
        cluster.environment.ok(["join-token", "list", "--json"]),
        cluster.read_log("s1"),
        cluster.read_log("n1"),
    ];
    for text in &shown {
        assert!(!text.contains("PRIVATE"), "{text}");
        for token in [&token, &any, &viewer, &front, &deployer] {
            assert!(!text.contains(&secret(token)), "{text}");
        }
    }
}

#[test]
fn tokens_are_rotated_and_revoked() {
    let cluster = SecureCluster::start();
    let first = cluster.token(&["token", "create", "vera", "--role", "viewer"]);
    let works = |token: &str| cluster.run_as(token, &["status"]).code == Some(0);
    assert!(works(&first));
    let second = cluster.token(&["token", "rotate", "vera", "--overlap", "1h"]);
    assert!(works(&first) && works(&second), "both are good for a while");
    let third = cluster.token(&["token", "rotate", "vera", "--overlap", "0s"]);
    refused(&cluster.run_as(&second, &["status"]), "not known here");
    assert!(works(&third));
    refused(&cluster.environment.run(["token", "create", "vera", "--role", "admin"]), "has a token already");
    refused(&cluster.environment.run(["token", "create", "x", "--role", "admin", "--namespace", "a"]), "whole cluster");
    cluster.environment.ok(["token", "revoke", "vera"]);
    refused(&cluster.run_as(&third, &["status"]), "this token is not known here");
    refused(&cluster.environment.run(["token", "revoke", "admin"]), "the only admin");
    refused(&cluster.run_as("icefield-user.abc", &["status"]), "cut short or mistyped");
    refused(&cluster.environment.run(["login", &cluster.url("s1"), "--token", &third]), "not known here");
}

#[test]
fn servers_join_and_are_shut_out_when_they_are_removed() {
    let mut cluster = SecureCluster::start();
    let url = cluster.url("s1");
    cluster.server("s2", &["--join", &url]);
    assert!(cluster.ended("s2").contains("joins with a token"));
    for name in ["s2", "s3"] {
        let token = cluster.token(&["join-token", "create", "--as-server"]);
        cluster.server(name, &["--join", &url, "--token", &token]);
        cluster.until("it votes", &["member", "list", "--json"], |answer| {
            let servers = answer["servers"].as_array();
            servers
                .is_some_and(|servers| servers.iter().any(|server| server["name"] == name && server["voter"] == true))
        });
    }
    // Any of them answers, for whoever asks it.
    let viewer = cluster.token(&["token", "create", "vera", "--role", "viewer"]);
    for name in ["s1", "s2", "s3"] {
        let url = cluster.url(name);
        assert_eq!(cluster.run_as(&viewer, &["--server", &url, "status"]).code, Some(0));
        refused(&cluster.run_as(&viewer, &["--server", &url, "token", "list"]), "this is for the role admin");
    }
    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    cluster.agent("n1", &["s2"], &["--join", &token]);
    cluster.until("the node is there", &["node", "list", "--json"], |answer| {
        answer["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1)
    });
    // A token for the very name takes it away from whoever had it.
    let old = cluster.environment.path("old");
    fs::create_dir(&old).unwrap();
    for file in ["identity.pem", "bundle.pem"] {
        fs::copy(cluster.data("n1").join(file), old.join(file)).unwrap();
    }
    let plan = format!("{url}/v1/nodes/n1/plan");
    assert_ne!(get_as(&old, &plan).0, 401);
    cluster.kill("n1");
    fs::remove_dir_all(cluster.data("n1")).unwrap();
    // Certificates count in whole seconds.
    std::thread::sleep(Duration::from_millis(1_100));
    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    cluster.agent("n1", &["s3"], &["--join", &token]);
    wait_for("the new one", || cluster.data("n1").join("identity.pem").exists());
    let (status, body) = get_as(&old, &plan);
    assert!(status == 401 && body.contains("good no more"), "{status} {body}");
    assert_ne!(get_as(&cluster.data("n1"), &plan).0, 401);

    // A removed one is a stranger, until it is given a token again.
    cluster.environment.ok(["node", "remove", "n1", "--force"]);
    let (status, body) = get_as(&cluster.data("n1"), &plan);
    assert!(status == 401 && body.contains("the machine was removed"), "{status} {body}");

    cluster.kill("n1");
    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    cluster.agent("n1", &["s1"], &["--join", &token]);
    wait_for("it to join anew", || get_as(&cluster.data("n1"), &plan).0 != 401);

    // All of them start again with what they have.
    for name in ["s1", "s2", "s3"] {
        cluster.kill(name);
        cluster.server(name, &[]);
    }
    cluster.until("all answer again", &["member", "list", "--json"], |answer| {
        let servers = answer["servers"].as_array();
        servers.is_some_and(|servers| servers.len() == 3 && servers.iter().all(|server| server["answers"] == true))
    });
    cluster.environment.ok(["member", "remove", "s3"]);
    let (status, body) = get_as(&cluster.data("s3"), &format!("{url}/v1/nodes/n1/plan"));
    assert!(status == 401 && body.contains("good no more"), "{status} {body}");
}

#[test]
fn the_authority_is_rotated_while_all_goes_on() {
    let mut cluster = SecureCluster::start();
    let file = cluster.environment.write("icefield.star", FILE);
    let url = cluster.url("s1");
    let token = cluster.token(&["join-token", "create", "--as-server"]);
    cluster.server("s2", &["--join", &url, "--token", &token]);
    for node in ["n1", "n2"] {
        let token = cluster.token(&["join-token", "create", "--node", node]);
        cluster.agent(node, &["s1", "s2"], &["--join", &token]);
    }
    cluster.environment.ok(["apply".as_ref(), file.as_os_str(), "--yes".as_ref()]);
    cluster.until("all is healthy", &["status", "--json"], healthy);
    let before = cluster.environment.json(["ca", "status", "--json"])["authorities"][0]["fingerprint"].clone();
    let lost = |cluster: &SecureCluster| cluster.environment.ok(["events"]).contains("lost");

    // While it goes on, someone applies and reads all the time.
    let over = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let greeting = format!("web=hello-{count}");
                let applied = cluster.environment.run([
                    "apply".as_ref(),
                    file.as_os_str(),
                    "--yes".as_ref(),
                    "-D".as_ref(),
                    greeting.as_ref(),
                ]);
                assert_eq!(applied.code, Some(0), "{applied:#?}");
                assert_eq!(cluster.environment.run(["status"]).code, Some(0));
                count += 1;
            }
            count
        });
        cluster.environment.ok(["ca", "rotate", "--spread", "0s"]);
        cluster.until("the rotation is over", &["ca", "status", "--json"], |answer| {
            answer["phase"].is_null() && answer["authorities"].as_array().is_some_and(|all| all.len() == 1)
        });
        over.store(true, Ordering::Relaxed);
        assert!(working.join().unwrap() > 0);
    });
    let after = cluster.environment.json(["ca", "status", "--json"]);
    assert_ne!(after["authorities"][0]["fingerprint"], before);
    assert_eq!(after["outdated_tokens"], serde_json::json!(["admin"]));
    assert!(!lost(&cluster), "no node was lost by it");
    cluster.until("all is healthy", &["status", "--json"], healthy);
    // What is new meets what is new: machines that start again, people who are logged in, and new tokens.
    for name in ["s1", "s2"] {
        cluster.kill(name);
        cluster.server(name, &[]);
    }
    cluster.kill("n1");
    cluster.agent("n1", &["s1", "s2"], &[]);
    cluster.until("all is healthy", &["status", "--json"], healthy);
    let viewer = cluster.token(&["token", "create", "vera", "--role", "viewer"]);
    assert_eq!(cluster.run_as(&viewer, &["status"]).code, Some(0));
    let old = fs::read_to_string(cluster.data("s1").join("admin-token")).unwrap();
    refused(&cluster.run_as(old.trim(), &["status"]), "was rotated since");
    // One that waits for a machine that is gone is finished by hand, with a warning.
    cluster.kill("n2");
    cluster.environment.ok(["ca", "rotate", "--spread", "0s"]);
    cluster.until("it waits for the one that is gone alone", &["ca", "status", "--json"], |answer| {
        answer["waits_for"] == serde_json::json!(["node/n2"])
    });
    refused(&cluster.environment.run(["ca", "rotate", "--finish"]), "this would lock out node/n2");
    cluster.environment.ok(["ca", "rotate", "--finish", "--yes"]);
    cluster.until("it waits for it again", &["ca", "status", "--json"], |answer| {
        answer["phase"] == "renewing" && answer["waits_for"] == serde_json::json!(["node/n2"])
    });
    cluster.environment.ok(["ca", "rotate", "--finish", "--yes"]);
    assert!(cluster.environment.json(["ca", "status", "--json"])["phase"].is_null());
    cluster.agent("n2", &["s1", "s2"], &[]);
    wait_for("its complaint", || cluster.read_log("n2").contains("was not taken"));
    assert!(cluster.is_running("n2"), "its replicas are not given up for that");
}

#[test]
fn a_restored_cluster_knows_its_machines_and_its_people() {
    let mut cluster = SecureCluster::start();
    let viewer = cluster.token(&["token", "create", "vera", "--role", "viewer"]);
    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    cluster.agent("n1", &["s1"], &["--join", &token]);
    cluster.until("the node is there", &["node", "list", "--json"], |answer| {
        answer["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1)
    });
    let backup = cluster.environment.path("backup");
    cluster.environment.ok(["backup".as_ref(), backup.as_os_str()]);
    assert_eq!(mode(&backup), 0o600);
    cluster.kill("n1");
    cluster.kill("s1");

    // On another machine, under another name: it has the state, and so the authority.
    let (address, data) = (cluster.address("s9"), cluster.data("s9"));
    let arguments = ["restore", backup.to_str().unwrap(), "--name", "s9", "--listen", &address, "--data"];
    cluster.environment.ok(arguments.into_iter().map(std::ffi::OsStr::new).chain([data.as_os_str()]));
    cluster.server("s9", &[]);
    let url = cluster.url("s9");
    wait_for("its people", || cluster.run_as(&viewer, &["--server", &url, "status"]).code == Some(0));
    refused(&cluster.run_as(&viewer, &["--server", &url, "ca", "rotate"]), "this is for the role admin");
    cluster.agent("n1", &["s9"], &[]);
    wait_for("its node", || get_as(&cluster.data("n1"), &format!("{url}/v1/nodes/n1/plan")).0 == 404);
    assert_eq!(get_as(&cluster.data("n1"), &format!("{url}/v1/nodes/n2/plan")).0, 403);
}
