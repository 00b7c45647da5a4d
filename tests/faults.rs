//! A cluster on several machines (network namespaces) whose machines and network fail.

#![allow(clippy::print_stderr, reason = "a failed test tells what it saw")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::hosts::Hosts;
use common::secure::wait_for;
use common::{Outcome, PATIENCE, TestEnvironment};
use serde_json::Value;

const SERVERS: [u8; 3] = [1, 2, 3];
const NODES: [u8; 2] = [4, 5];
/// Where the user sits.
const USER: u8 = 6;

/// A cluster of three servers and two nodes, each on a host of its own, over TLS.
struct Fleet {
    environment: TestEnvironment,
    hosts: Hosts,
    processes: BTreeMap<u8, Child>,
    /// The notes whose writing was acknowledged.
    acknowledged: BTreeSet<String>,
}

impl Fleet {
    /// `None` where there can be no network namespaces.
    fn start() -> Option<Self> {
        let hosts = Hosts::new(USER)?;
        let environment = TestEnvironment::new();
        let mut fleet = Self { environment, hosts, processes: BTreeMap::new(), acknowledged: BTreeSet::new() };
        fleet.server(1, &["--new-cluster"]);
        let token = fleet.environment.path("data/1/admin-token");
        wait_for("the first admin's token", || token.exists());
        let token = fs::read_to_string(token).unwrap();
        wait_for("the first login", || fleet.run(&["login", &url(1), "--token", token.trim()]).code == Some(0));
        for server in [2, 3] {
            let token = fleet.ok(&["join-token", "create", "--as-server"]);
            fleet.server(server, &["--join", &url(1), "--token", token.trim()]);
            fleet.until("it votes", &["member", "list", "--json"], |answer| {
                let servers = answer["servers"].as_array().unwrap();
                servers.iter().filter(|server| server["voter"] == true).count() == usize::from(server)
            });
        }
        for node in NODES {
            let token = fleet.ok(&["join-token", "create"]);
            fleet.agent(node, &["--join", token.trim()]);
        }
        // From now on the user knows all servers.
        let again = ["login", &url(1), "--token", token.trim()];
        wait_for("a login with all servers", || fleet.run(&again).code == Some(0));
        Some(fleet)
    }

    fn server(&mut self, host: u8, more: &[&str]) {
        let (name, listen) = (format!("s{host}"), format!("{}:7700", Hosts::address(host)));
        let mut arguments = vec!["server", "--name", &name, "--listen", &listen];
        arguments.extend(more);
        self.spawn(host, &arguments);
    }

    fn agent(&mut self, host: u8, more: &[&str]) {
        let (name, address, servers) = (format!("n{host}"), Hosts::address(host), SERVERS.map(url).join(","));
        let mut arguments = vec!["agent", "--node", &name, "--address", &address, "--server", &servers];
        arguments.extend(more);
        self.spawn(host, &arguments);
    }

    fn spawn(&mut self, host: u8, arguments: &[&str]) {
        let data = self.environment.path("data").join(host.to_string());
        fs::create_dir_all(data.parent().unwrap()).unwrap();
        let log = File::options().create(true).append(true).open(self.log(host)).unwrap();
        let mut command = self.on(host);
        command.args(arguments).arg("--data").arg(data).stdout(Stdio::null()).stderr(log);
        self.processes.insert(host, command.spawn().unwrap());
    }

    /// The binary on a host.
    fn on(&self, host: u8) -> Command {
        let mut command = self.hosts.command(host);
        command.arg(env!("CARGO_BIN_EXE_icefield")).stdin(Stdio::null());
        command.env("ICEFIELD_HOME", self.environment.path("home")).env("NO_COLOR", "1");
        for name in ["ICEFIELD_SERVER", "ICEFIELD_TOKEN", "ICEFIELD_JOIN_TOKEN"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.on(USER).args(arguments).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        outcome.stdout
    }

    fn until(&self, what: &str, arguments: &[&str], condition: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let outcome = self.run(arguments);
            let answer = serde_json::from_str(&outcome.stdout).unwrap_or(Value::Null);
            if outcome.code == Some(0) && condition(&answer) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}: {outcome:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The host of the server that leads.
    fn leader(&self) -> u8 {
        let status = self.until("one leads", &["status", "--json"], |status| status["leader"].is_string());
        status["leader"].as_str().unwrap().trim_start_matches('s').parse().unwrap()
    }

    /// Writes notes until so many have been acknowledged; gives back how long the first took.
    fn write(&mut self, count: usize) -> Duration {
        let (began, mut first) = (Instant::now(), None);
        let mut left = count;
        while left > 0 {
            let text = format!("note {}", self.acknowledged.len());
            if self.run(&["events", "add", &text]).code == Some(0) {
                first.get_or_insert_with(|| began.elapsed());
                self.acknowledged.insert(text);
                left -= 1;
            }
            assert!(began.elapsed() < PATIENCE, "nothing can be written");
        }
        first.unwrap()
    }

    /// Every note that was acknowledged is there, once.
    fn check_notes(&self) {
        let events = self.until("events are told", &["events", "--json"], |answer| answer["events"].is_array());
        let messages = events["events"].as_array().unwrap().iter().filter_map(|event| event["message"].as_str());
        let mut found = BTreeMap::<String, u32>::new();
        messages.for_each(|message| *found.entry(message.to_owned()).or_default() += 1);
        for note in &self.acknowledged {
            let times: u32 = found.iter().filter(|(message, _)| message.ends_with(note.as_str())).map(|(_, n)| n).sum();
            assert_eq!(times, 1, "{note:?} was acknowledged");
        }
    }

    fn signal(&self, host: u8, signal: &str) {
        // `ip netns exec` becomes the program itself.
        let pid = self.processes[&host].id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn kill(&mut self, host: u8) {
        let mut process = self.processes.remove(&host).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn log(&self, host: u8) -> std::path::PathBuf {
        self.environment.path(&format!("{host}.log"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.hosts.heal();
        if std::thread::panicking() {
            for host in SERVERS.iter().chain(&NODES) {
                eprintln!("--- {host}\n{}", fs::read_to_string(self.log(*host)).unwrap_or_default());
            }
        }
        // Agents first: SIGINT lets them stop their replicas.
        for host in NODES.iter().chain(&SERVERS) {
            let Some(mut process) = self.processes.remove(host) else { continue };
            let pid = process.id().to_string();
            for signal in ["-CONT", "-INT"] {
                let _ = Command::new("kill").args([signal, &pid]).status();
            }
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(15) && process.try_wait().is_ok_and(|ended| ended.is_none()) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn url(host: u8) -> String {
    format!("https://{}:7700", Hosts::address(host))
}

/// A service of four replicas, and one that may run once only.
const FILE: &str = r#"
cluster("shop")
for name in ["n4", "n5"]:
    node(name, cpu = 2, memory = "1GiB")
service("web", replicas = 4, cpu = "10m", memory = "16MiB", run = exec(["sleep", "100001"]),
    spread = [spread("node")], update = rolling(healthy_for = "100ms"))
service("one", replicas = 1, cpu = "10m", memory = "16MiB", run = exec(["sleep", "100002"]), singleton = True,
    update = rolling(healthy_for = "100ms"))
"#;

fn is_healthy(status: &Value) -> bool {
    common::all_healthy(status) && common::replicas(status).len() == 5
}

/// How many processes of the command run that the fleet's agents started.
fn running(fleet: &Fleet, argument: &str) -> usize {
    let home = fleet.environment.path("data").to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_one = |path: &std::path::PathBuf| {
        let command = fs::read(path.join("cmdline")).unwrap_or_default();
        let folder = fs::read_link(path.join("cwd")).unwrap_or_default();
        command == format!("sleep\0{argument}\0").as_bytes() && folder.to_string_lossy().starts_with(&home)
    };
    processes.filter(is_one).count()
}

#[test]
fn servers_survive_kills_stalls_and_partitions_with_netns() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.write(3);

    // The leader is killed, and comes back.
    let leader = fleet.leader();
    fleet.kill(leader);
    let took = fleet.write(3);
    assert!(took < Duration::from_secs(10), "{took:?}");
    fleet.server(leader, &[]);

    // The leader is cut off from all: another one leads, and the one that is alone tells nobody anything.
    let leader = fleet.leader();
    fleet.hosts.isolate(leader);
    fleet.write(3);
    let other = fleet.leader();
    assert_ne!(other, leader);
    fleet.hosts.heal();
    fleet.write(1);

    // Nothing that the leader sends arrives, while it hears the others well.
    let leader = fleet.leader();
    for host in SERVERS.iter().chain(&[USER]).filter(|host| **host != leader) {
        fleet.hosts.cut(leader, *host);
    }
    fleet.write(3);
    fleet.hosts.heal();

    // The leader stands still for a while.
    let leader = fleet.leader();
    fleet.signal(leader, "-STOP");
    fleet.write(3);
    fleet.signal(leader, "-CONT");
    fleet.write(1);

    // Two of three are gone: nothing is acknowledged, and nothing that was is lost.
    let leader = fleet.leader();
    let others: Vec<u8> = SERVERS.into_iter().filter(|host| *host != leader).collect();
    others.iter().for_each(|host| fleet.kill(*host));
    let refused = fleet.run(&["events", "add", "nobody agrees"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let told = fleet.run(&["status", "--stale"]);
    assert_eq!(told.code, Some(0), "{told:#?}");
    others.iter().for_each(|host| fleet.server(*host, &[]));
    fleet.write(3);
    fleet.check_notes();
}

#[test]
fn a_node_that_is_cut_off_is_replaced_and_nothing_runs_twice_with_netns() {
    let Some(fleet) = Fleet::start() else { return };
    let file = fleet.environment.write("icefield.star", FILE);
    fleet.ok(&["apply", file.to_str().unwrap(), "--yes"]);
    let status = fleet.until("all is healthy", &["status", "--json"], is_healthy);
    let one = common::replicas(&status).into_iter().find(|replica| replica["node"].is_string()).cloned();
    assert!(one.is_some());
    let singleton = |status: &Value| {
        let services = status["services"].as_array().unwrap();
        let service = services.iter().find(|service| service["name"] == "one").unwrap();
        service["replicas"][0]["node"].as_str().unwrap_or_default().to_owned()
    };
    let before = singleton(&status);
    let host: u8 = before.trim_start_matches('n').parse().unwrap();

    fleet.hosts.isolate(host);
    // The singleton ends where it was before it starts elsewhere.
    let start = Instant::now();
    loop {
        assert!(running(&fleet, "100002") <= 1, "the singleton runs twice");
        let status: Value = serde_json::from_str(&fleet.run(&["status", "--json"]).stdout).unwrap_or(Value::Null);
        if status.is_object() && is_healthy(&status) && singleton(&status) != before {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{status:#}");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    // Ordinary replicas go on where nobody hears of them.
    assert_eq!(running(&fleet, "100001"), 6);

    fleet.hosts.heal();
    wait_for("the end of what runs twice", || {
        assert!(running(&fleet, "100002") <= 1, "the singleton runs twice");
        running(&fleet, "100001") == 4
    });
    fleet.until("all is healthy", &["status", "--json"], is_healthy);

    // An agent that stands still keeps its replicas, and the shim keeps time for the singleton.
    let status = fleet.until("all is healthy", &["status", "--json"], is_healthy);
    let host: u8 = singleton(&status).trim_start_matches('n').parse().unwrap();
    fleet.signal(host, "-STOP");
    let start = Instant::now();
    loop {
        assert!(running(&fleet, "100002") <= 1, "the singleton runs twice");
        let status: Value = serde_json::from_str(&fleet.run(&["status", "--json"]).stdout).unwrap_or(Value::Null);
        if status.is_object() && is_healthy(&status) && singleton(&status) != format!("n{host}") {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{status:#}");
    }
    fleet.signal(host, "-CONT");
    wait_for("the end of what runs twice", || {
        assert!(running(&fleet, "100002") <= 1, "the singleton runs twice");
        running(&fleet, "100001") == 4
    });
}
