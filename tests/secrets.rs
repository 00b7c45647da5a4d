//! Secrets and configuration files, with real servers and agents: who gets them, that nothing else holds them, and what
//! happens when they or what is in them changes.

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use common::secure::{SecureCluster, fetch, get_as, wait_for};
use common::{Outcome, all_healthy};
use icefield_api::{Held, HttpOptions, IdentityFolder, Keyring, OPERATIONS};
use icefield_pki::Expect;
use serde_json::Value;

/// Values that nothing but the answer to the right node may hold, and the programs that are given them. A program tells
/// of its secret by a hash alone.
const FIRST: &str = "marker-Zq7-first-value";
const SECOND: &str = "marker-Xw9-second-value";

const FILE: &str = r#"
cluster("shop")
node("n1", cpu = 2, memory = "1GiB", labels = {"disk": "ssd"})
node("n2", cpu = 2, memory = "1GiB", labels = {"disk": "hdd"})
service("web", replicas = 2, cpu = "10m", memory = "32MiB",
    require = {"disk": "ssd"},
    env = {"PASSWORD": secret("db-password"), "MODE": "fast"},
    files = [
        file("key", content = secret("db-password")),
        file("conf/app", content = template("mode {{ env.MODE }} key {{ secrets.db_password }}\n")),
    ],
    run = exec(["sh", "-c", """
        echo variable $$(printf %s "$$PASSWORD" | sha256sum | cut -c1-8)
        echo file $$(sha256sum < "$FILE_KEY" | cut -c1-8)
        echo template $$(sed 's/.*key //' < "$FILE_CONF_APP" | tr -d '\\n' | sha256sum | cut -c1-8)
        exec sleep 1000"""]),
    health = command(["sh", "-c", "test $$(printf %s \"$$PASSWORD\" | wc -c) -gt 10"], every = "100ms"),
    update = rolling(healthy_for = "100ms", deadline = "20s"))
service("other", replicas = 1, cpu = "10m", memory = "16MiB",
    require = {"disk": "hdd"},
    run = exec(["sleep", "1000"]))
job("migrate", cpu = "10m", memory = "16MiB",
    require = {"disk": "ssd"},
    env = {"PASSWORD": secret("db-password")},
    run = exec(["sh", "-c", "test $$(printf %s \"$$PASSWORD\" | wc -c) -gt 10"]))
"#;

/// A cluster of one server and the nodes n1 and n2.
fn cluster() -> SecureCluster {
    let mut cluster = SecureCluster::start();
    for node in ["n1", "n2"] {
        let token = cluster.token(&["join-token", "create", "--node", node]);
        cluster.agent(node, &["s1"], &["--join", &token]);
    }
    cluster.until("both nodes are there", &["node", "list", "--json"], |answer| {
        answer["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2)
    });
    cluster
}

/// Sets a secret as a person does: by a pipe.
fn set(cluster: &SecureCluster, arguments: &[&str], value: &str) -> Outcome {
    let mut command = cluster.environment.command();
    command.args(["secret", "set"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that refuses before it reads has closed it.
    let _ = writeln!(child.stdin.take().unwrap(), "{value}");
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The start of a value's hash, as programs tell it.
fn told(value: &str) -> String {
    let mut child =
        std::process::Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..8].to_owned()
}

fn has_log(cluster: &SecureCluster, replica: &str, words: &[String]) -> bool {
    let log = cluster.environment.run(["logs", replica]).stdout;
    words.iter().all(|word| log.contains(word.as_str()))
}

/// What a value may hide behind: itself, hex, and base64 wherever in a longer text it begins.
fn disguises(value: &str) -> Vec<Vec<u8>> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![value.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for shift in 0..3 {
        let padded = ["x".repeat(shift).as_bytes(), value.as_bytes()].concat();
        let encoded = base64(&padded);
        // The first letters and the last ones also depend on what stands beside it.
        all.push(encoded[4..encoded.len() - 4].to_vec());
    }
    all
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        out.extend((0..4).map(|at| LETTERS[(group >> (18 - 6 * at) & 63) as usize]));
    }
    out
}

/// Everything that may hold no secret, with the values that must not be found in it.
struct Search {
    needles: Vec<Vec<u8>>,
    found: Vec<String>,
    looked_at: usize,
}

impl Search {
    fn new(values: &[&str]) -> Self {
        Self { needles: values.iter().flat_map(|value| disguises(value)).collect(), found: Vec::new(), looked_at: 0 }
    }

    fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.looked_at += 1;
        // Most bytes begin none of them.
        let mut begins = [false; 256];
        self.needles.iter().for_each(|needle| begins[usize::from(needle[0])] = true);
        let is_there = |at: usize| self.needles.iter().any(|needle| bytes[at..].starts_with(needle));
        if bytes.iter().enumerate().any(|(at, byte)| begins[usize::from(*byte)] && is_there(at)) {
            self.found.push(place.to_owned());
        }
    }

    /// All files below a folder; links are not followed, so what is in memory is left out.
    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(&path),
                Ok(kind) if kind.is_file() => {
                    self.bytes(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
                }
                _ => {}
            }
        }
    }
}

/// Looks for the values in all that the cluster writes, says and starts.
fn search(cluster: &SecureCluster, values: &[&str]) -> Search {
    let mut search = Search::new(values);
    search.folder(&cluster.environment.path(""));
    let home = fs::read(cluster.environment.path("home/cluster.json")).unwrap();
    let login: Value = serde_json::from_slice(&home).unwrap();
    let token = login["token"].as_str().unwrap().to_owned();
    let held = IdentityFolder::new(cluster.data("s1")).load().unwrap().unwrap();
    let http = Keyring::new(Held { credential: None, ..held }).http(HttpOptions::default(), Expect::Server);
    for operation in OPERATIONS.iter().filter(|operation| operation.method == "GET") {
        let path = operation.path.replace("{service}", "web").replace("{node}", "n1").replace("{index}", "0");
        let path = path.replace("{job}", "migrate").replace("{base}", "std");
        let (status, body) = fetch(&http, &format!("{}{path}", cluster.url("s1")), Some(&token));
        assert!(
            status == 200 || ["node-", "base-"].iter().any(|of| operation.id.starts_with(of)),
            "{path}: {status} {body}"
        );
        search.bytes(&path, body.as_bytes());
    }
    for arguments in [
        &["status"][..],
        &["events", "-n", "1000"],
        &["history"],
        &["explain", "web"],
        &["secret", "list"],
        &["secret", "list", "--json"],
        &["audit", "-n", "1000"],
        &["logs", "web/0"],
    ] {
        let outcome = cluster.environment.run(arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        search.bytes(&arguments.join(" "), outcome.stdout.as_bytes());
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let own = entry.file_name().to_string_lossy() == std::process::id().to_string();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if !own {
            search.bytes(&format!("the command line of process {}", entry.path().display()), &line);
        }
    }
    search
}

#[test]
fn a_secret_reaches_its_node_and_is_nowhere_else() {
    let mut cluster = cluster();
    let file = cluster.environment.write("icefield.star", FILE);
    let file = file.to_str().unwrap().to_owned();

    // A file that names what is not there is refused, and says what to do.
    let refused = cluster.environment.run(["apply", &file, "--yes"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("`icefield secret set db-password`"), "{refused:#?}");
    let answer = set(&cluster, &["db-password"], FIRST);
    assert_eq!(answer.code, Some(0), "{answer:#?}");
    assert_eq!(answer.stdout, "db-password is set (version 1)\n");
    let again = set(&cluster, &["db-password"], FIRST);
    assert_eq!(again.stdout, "db-password has this value already (version 1)\n");
    cluster.environment.ok(["apply", &file, "--yes"]);
    let status = cluster.until("all is healthy", &["status", "--json"], all_healthy);
    assert!(common::replicas(&status).iter().all(|replica| replica["message"].is_null()), "{status:#}");
    for replica in ["web/0", "web/1"] {
        let words: Vec<String> = ["variable", "file", "template"].map(|kind| format!("{kind} {}", told(FIRST))).into();
        wait_for("the programs' words", || has_log(&cluster, replica, &words));
    }

    // Only the node that runs it gets it, and it is in memory there.
    let url = cluster.url("s1");
    let own = |node: &str, of: &str| get_as(&cluster.data(node), &format!("{url}/v1/nodes/{of}/secrets"));
    let needle = String::from_utf8(base64(FIRST.as_bytes())).unwrap();
    assert!(own("n1", "n1").1.contains(needle.trim_end_matches('A')));
    assert_eq!(own("n2", "n2").1.matches("values\":{}").count(), 1);
    assert_eq!(own("n2", "n1").0, 403);
    let private = fs::read_link(cluster.data("n1").join("private")).unwrap();
    assert_eq!(fs::read_to_string(private.join("web-0/files/key")).unwrap(), FIRST);
    assert!(!private.join("web-0/variables.json").exists(), "it goes when the program has read it");

    // Another value is rolled out; one that does not work is taken back with the value before.
    let answer = set(&cluster, &["db-password"], SECOND);
    assert!(answer.stdout.contains("taken up by web"), "{answer:#?}");
    for replica in ["web/0", "web/1"] {
        wait_for("the new value", || has_log(&cluster, replica, &[format!("variable {}", told(SECOND))]));
    }
    cluster.until("the rollout is done", &["status", "--json"], |status| {
        status["services"][1]["rollout"]["state"] == "done" && all_healthy(status)
    });
    set(&cluster, &["db-password"], "short");
    cluster.until("it goes back", &["status", "--json"], |status| {
        status["services"][1]["rollout"]["state"] == "rolled-back" && all_healthy(status)
    });
    let refused = cluster.environment.run(["secret", "rm", "db-password"]);
    assert!(refused.stderr.contains("the secret db-password is used by web"), "{refused:#?}");

    // Neither what is written nor what is said nor what is started holds any of them.
    let key = cluster.environment.path("elsewhere.key");
    let refused = cluster.environment.ok(["backup", cluster.environment.path("alone").to_str().unwrap()]);
    assert!(refused.contains("--key-out"), "{refused}");
    let backup = cluster.environment.path("backup");
    cluster.environment.ok(["backup", backup.to_str().unwrap(), "--key-out", key.to_str().unwrap()]);
    for target in ["nix", "systemd"] {
        let out = cluster.environment.path(target);
        let outcome = cluster.environment.run(["compile", &file, "--target", target, "--out", out.to_str().unwrap()]);
        assert!(outcome.stderr.contains("is a template with the secret"), "nobody is asked for it: {outcome:#?}");
    }
    let searched = search(&cluster, &[FIRST, SECOND]);
    assert!(searched.looked_at > 100, "{}", searched.looked_at);
    assert_eq!(searched.found, Vec::<String>::new());
    // The search does find what is there.
    fs::write(cluster.environment.path("planted"), base64(format!("ab{FIRST}").as_bytes())).unwrap();
    assert_eq!(search(&cluster, &[FIRST]).found.len(), 1);
    fs::remove_file(cluster.environment.path("planted")).unwrap();

    // Without a server, what runs goes on, and what ended waits.
    let status = cluster.environment.json(["status", "--json"]);
    let pid = common::replicas(&status).iter().find(|replica| replica["index"] == 0).unwrap()["pid"].clone();
    cluster.kill("s1");
    cluster.kill("n1");
    cluster.agent("n1", &["s1"], &[]);
    wait_for("the agent", || cluster.read_log("n1").matches("taken over").count() >= 2);
    common::kill(&web_pid(&cluster, 0).unwrap_or(pid));
    wait_for("the wait", || cluster.read_log("n1").contains("waits for the secret db-password"));
    assert!(web_pid(&cluster, 1).is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists()));

    // From a backup, a new server opens the secrets with the key alone.
    let restored = cluster.data("restored");
    let address = cluster.address("s1");
    let restore = |more: &[&str]| {
        let data = restored.to_str().unwrap();
        let all = ["restore", backup.to_str().unwrap(), "--name", "s1", "--listen", &address, "--data", data];
        cluster.environment.run([&all, more].concat())
    };
    let refused = restore(&[]);
    assert!(refused.stderr.contains("--key") && refused.stderr.contains("--without-secrets"), "{refused:#?}");
    let done = restore(&["--key", key.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    fs::rename(cluster.data("s1"), cluster.environment.path("lost")).unwrap();
    fs::rename(&restored, cluster.data("s1")).unwrap();
    cluster.server("s1", &[]);
    cluster.until("all is healthy again", &["status", "--json"], all_healthy);
    let searched = search(&cluster, &[FIRST, SECOND]);
    assert_eq!(searched.found, Vec::<String>::new());
}

/// The process of a replica of "web" on n1, as its agent has written it down.
fn web_pid(cluster: &SecureCluster, index: u32) -> Option<Value> {
    let path = cluster.data("n1").join(format!("replicas/web-{index}/process.json"));
    let record: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(record["pid"].clone())
}

/// A template over the endpoints of another service: one program is told by a signal, one is started anew.
const PEERS: &str = r#"
cluster("shop")
for name in ["n1", "n2"]:
    node(name, cpu = 2, memory = "1GiB")
service("api", replicas = var("api", default = 1), cpu = "10m", memory = "16MiB",
    ports = {"http": dynamic()},
    run = exec(["sleep", "1000"]))
LIST = "{% for peer in endpoints.api.http %}peer {{ peer.index }} at {{ peer }}\n{% endfor %}"
service("signalled", cpu = "10m", memory = "16MiB",
    files = [file("peers", content = template(LIST), reload = signal("HUP"))],
    run = exec(["sh", "-c", "trap 'echo told; cat \"$FILE_PEERS\"' HUP; cat \"$FILE_PEERS\"; while :; do sleep 0.1; done"]))
service("restarted", replicas = 2, cpu = "10m", memory = "16MiB",
    files = [file("peers", content = template(LIST), reload = restart())],
    run = exec(["sh", "-c", "echo started; cat \"$FILE_PEERS\"; exec sleep 1000"]))
"#;

#[test]
fn files_follow_endpoints_as_they_are_declared_to() {
    let cluster = cluster();
    let file = cluster.environment.write("icefield.star", PEERS);
    let file = file.to_str().unwrap().to_owned();
    cluster.environment.ok(["apply", &file, "--yes"]);
    cluster.until("all is healthy", &["status", "--json"], all_healthy);
    let has = |replica: &str, words: &str| has_log(&cluster, replica, &[words.to_owned()]);
    wait_for("the first endpoint", || {
        ["signalled/0", "restarted/0", "restarted/1"].iter().all(|of| has(of, "peer 0 at 127.77.0."))
    });
    assert!(!has("signalled/0", "peer 1"));

    cluster.environment.ok(["apply", &file, "--yes", "-D", "api=2"]);
    wait_for("the signal", || has("signalled/0", "told") && has("signalled/0", "peer 1 at 127.77.0."));
    wait_for("both restarts", || ["restarted/0", "restarted/1"].iter().all(|of| has(of, "peer 1 at 127.77.0.")));
    cluster.until("all is healthy again", &["status", "--json"], all_healthy);
    let status = cluster.environment.json(["status", "--json"]);
    let restarts = |service: &str| {
        let services = status["services"].as_array().unwrap();
        let of = services.iter().find(|entry| entry["name"] == service).unwrap();
        of["rollout"]["state"].clone()
    };
    assert_eq!(restarts("restarted"), "done", "no rollout: the same revision");
}

#[test]
fn who_joins_can_open_secrets_and_who_leaves_changes_their_key() {
    let mut cluster = cluster();
    let url = cluster.url("s1");
    assert_eq!(set(&cluster, &["db-password"], FIRST).code, Some(0));
    let happened = |cluster: &SecureCluster, subject: &str, message: &str| {
        let events = cluster.environment.run(["events", "-n", "500"]).stdout;
        events.lines().any(|line| line.contains(subject) && line.contains(message))
    };
    for name in ["s2", "s3"] {
        let token = cluster.token(&["join-token", "create", "--as-server"]);
        cluster.server(name, &["--join", &url, "--token", &token]);
        wait_for("it to be granted the key", || happened(&cluster, &format!("server {name}"), "can open secrets"));
    }
    let file = cluster.environment.write("icefield.star", FILE);
    cluster.environment.ok(["apply", file.to_str().unwrap(), "--yes"]);
    let is_told =
        |cluster: &SecureCluster, value: &str| has_log(cluster, "web/0", &[format!("variable {}", told(value))]);
    wait_for("the first value", || is_told(&cluster, FIRST));

    // What it has of the key opens nothing that is sealed from now on.
    cluster.environment.ok(["member", "remove", "s3"]);
    wait_for("another key", || happened(&cluster, "key of the secrets", "a new one is used"));
    assert_eq!(set(&cluster, &["db-password"], SECOND).code, Some(0));
    wait_for("the second value", || is_told(&cluster, SECOND));

    // Those that stay have it for good.
    cluster.kill("s1");
    cluster.server("s1", &[]);
    wait_for("the servers", || set(&cluster, &["another"], FIRST).code == Some(0));
    let list = cluster.environment.json(["secret", "list", "--json"]);
    assert_eq!(list["secrets"].as_array().map(Vec::len), Some(2), "{list}");
}
