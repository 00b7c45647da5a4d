//! The names of services on every node, as programs there resolve them.

mod common;

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use common::secure::{SecureCluster, wait_for};
use common::{DevCluster, PATIENCE, TestEnvironment, get, kill, replicas};
use domain::base::iana::{Rcode, Rtype};
use domain::base::name::Name;
use domain::base::{Message, MessageBuilder};
use domain::rdata::AllRecordData;
use serde_json::Value;

const SERVICES: &str = r#"
cluster("test")
for name in ["a", "b", "c"]:
    node(name, cpu = 2, memory = "1GiB", labels = {"zone": name})
service("web",
    run = exec(["sh", "-c", "echo $$ICEFIELD_DNS > $$ICEFIELD_INDEX.dns; exec sleep 1000"]),
    replicas = var("replicas", default = 3),
    cpu = "10m", memory = "16MiB",
    ports = {"http": dynamic()},
    spread = [spread("zone")])
"#;

/// What one of the nodes answers: the code, and the records of the answer.
fn ask(dns: SocketAddr, name: &str, rtype: Rtype) -> Option<(Rcode, BTreeSet<String>)> {
    let mut question = MessageBuilder::new_vec().question();
    question.header_mut().set_rd(true);
    question.push((Name::<Vec<u8>>::from_chars(name.chars()).unwrap(), rtype)).unwrap();
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.send_to(&question.finish(), dns).ok()?;
    let mut answer = vec![0; 4_096];
    let length = socket.recv(&mut answer).ok()?;
    let message = Message::from_octets(&answer[..length]).unwrap();
    let records = message.answer().unwrap().limit_to::<AllRecordData<_, _>>();
    let records = records.map(|record| record.unwrap().data().to_string()).collect();
    Some((message.header().rcode(), records))
}

/// Asks until the answer is as wanted, and gives that.
fn until(dns: SocketAddr, name: &str, rtype: Rtype, wanted: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let start = Instant::now();
    loop {
        let answer = ask(dns, name, rtype);
        match answer {
            Some((_, records)) if wanted(&records) => return records,
            answer => assert!(start.elapsed() < PATIENCE, "{name} of {dns} is still {answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Where the nodes answer, by their names.
fn nodes(cluster: &DevCluster) -> Vec<SocketAddr> {
    let running = cluster.running();
    running["nodes"].as_array().unwrap().iter().map(|node| node["dns"].as_str().unwrap().parse().unwrap()).collect()
}

fn signal(pid: &Value, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn the_names_of_services_follow_their_replicas() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SERVICES);
    let cluster = DevCluster::start(&environment, &file, None);
    let nodes = nodes(&cluster);
    let hosts: BTreeSet<String> = nodes.iter().map(|dns| dns.ip().to_string()).collect();
    for dns in &nodes {
        assert_eq!(until(*dns, "web.test.icefield", Rtype::A, |found| found.len() == 3), hosts);
        assert_eq!(ask(*dns, "WEB.icefield", Rtype::A), Some((Rcode::NOERROR, hosts.clone())));
        assert_eq!(ask(*dns, "nope.icefield", Rtype::A), Some((Rcode::NXDOMAIN, BTreeSet::new())));
        assert_eq!(ask(*dns, "web.icefield", Rtype::AAAA), Some((Rcode::NOERROR, BTreeSet::new())));
    }
    let told = std::fs::read_to_string(environment.path("0.dns")).unwrap();
    assert!(nodes.contains(&told.trim().parse().unwrap()), "a replica is told of {told}");

    // What the ports are, each with the host that it is on.
    let status = cluster.status();
    let placed = replicas(&status);
    let ports = placed.iter().map(|replica| {
        let (port, index) = (&replica["ports"]["http"], &replica["index"]);
        format!("0 1 {port} {index}.web.test.icefield")
    });
    let ports: BTreeSet<String> = ports.collect();
    assert_eq!(until(nodes[0], "_http._tcp.web.test.icefield", Rtype::SRV, |found| found.len() == 3), ports);

    // A replica that dies leaves the answers of every node, and comes back.
    let replica = placed[1];
    let name = "1.web.test.icefield";
    let address = until(nodes[0], name, Rtype::A, |found| found.len() == 1);
    kill(&replica["pid"]);
    until(nodes[2], "web.icefield", Rtype::A, |found| found.is_disjoint(&address));
    assert_eq!(ask(nodes[2], name, Rtype::A), Some((Rcode::NXDOMAIN, BTreeSet::new())));
    until(nodes[2], "web.icefield", Rtype::A, |found| *found == hosts);

    // Whoever asks for the list itself is told when it changes.
    let api = cluster.running()["servers"][0]["api"].as_str().unwrap().to_owned();
    let list = |query: &str| -> Value {
        let url = format!("{api}/v1/services/web/endpoints{query}");
        serde_json::from_str(&get(&url).unwrap()).unwrap()
    };
    let before = list("?after=0&wait=20000");
    assert_eq!(before["endpoints"].as_array().unwrap().len(), 3);
    kill(&replicas(&cluster.status())[0]["pid"]);
    let after = list(&format!("?after={}&wait=20000", before["index"]));
    assert_eq!(after["endpoints"].as_array().unwrap().len(), 2);
    until(nodes[0], "web.icefield", Rtype::A, |found| *found == hosts);

    // Fewer replicas are fewer addresses.
    environment.ok(["apply", file.to_str().unwrap(), "-D", "replicas=1", "--yes"]);
    until(nodes[1], "web.icefield", Rtype::A, |found| found.len() == 1);
    cluster.stop();
}

#[test]
fn a_node_answers_without_servers_and_so_does_its_next_agent() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SERVICES);
    let cluster = DevCluster::start(&environment, &file, None);
    let (dns, running) = (nodes(&cluster)[0], cluster.running());
    let hosts = until(dns, "web.icefield", Rtype::A, |found| found.len() == 3);
    let data = environment.path("home/dev");
    let kept = || {
        let folders = std::fs::read_dir(&data).unwrap().flatten();
        let mut kept = folders.map(|entry| entry.path().join("nodes/a/services.json"));
        kept.any(|path| std::fs::read_to_string(path).is_ok_and(|text| hosts.iter().all(|host| text.contains(host))))
    };
    let start = Instant::now();
    while !kept() {
        assert!(start.elapsed() < PATIENCE, "what is known is not written down");
        std::thread::sleep(Duration::from_millis(50));
    }
    let servers = running["servers"].as_array().unwrap();
    servers.iter().for_each(|server| signal(&server["pid"], "-STOP"));
    assert_eq!(ask(dns, "web.icefield", Rtype::A), Some((Rcode::NOERROR, hosts.clone())));
    let agent = &running["nodes"][0]["pid"];
    kill(agent);
    assert_eq!(until(dns, "web.icefield", Rtype::A, |found| found.len() == 3), hosts);
    servers.iter().for_each(|server| signal(&server["pid"], "-CONT"));
    cluster.stop();
}

#[test]
fn a_node_with_a_certificate_follows_the_services_too() {
    let mut cluster = SecureCluster::start();
    let file = cluster.environment.write(
        "icefield.star",
        r#"
cluster("shop")
node("n1", cpu = 2, memory = "1GiB")
service("db", replicas = 1, cpu = "10m", memory = "16MiB", ports = {"sql": 5432},
    run = exec(["sleep", "1000"]))
service("web", replicas = 1, cpu = "10m", memory = "16MiB", uses = ["db"],
    run = exec(["sh", "-c", "echo db is $DB_HOST:$DB_PORT_SQL; exec sleep 1000"]))
"#,
    );
    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    cluster.agent("n1", &["s1"], &["--join", &token, "--dns", "127.77.0.1:0"]);
    cluster.until("the node is there", &["node", "list", "--json"], |answer| {
        answer["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1)
    });
    cluster.environment.ok(["apply", file.to_str().unwrap(), "--yes"]);
    let log = cluster.read_log("n1");
    let port = log.split_once("127.77.0.1:").and_then(|(_, rest)| rest.split_whitespace().next());
    let dns = SocketAddr::from(([127, 77, 0, 1], port.unwrap().parse().unwrap()));
    let ports = BTreeSet::from(["0 1 5432 0.db.shop.icefield".to_owned()]);
    until(dns, "_sql._tcp.db.shop.icefield", Rtype::SRV, |found| *found == ports);
    wait_for("what a replica is told", || {
        cluster.environment.run(["logs", "web/0"]).stdout.contains("db is db.shop.icefield:5432")
    });
}

#[test]
fn another_leader_goes_on_to_tell_of_changes() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", SERVICES);
    let cluster = DevCluster::start(&environment, &file, None);
    let dns = nodes(&cluster)[2];
    until(dns, "web.icefield", Rtype::A, |found| found.len() == 3);
    let leader = cluster.status()["leader"].clone();
    let running = cluster.running();
    let servers = running["servers"].as_array().unwrap();
    kill(&servers.iter().find(|server| server["name"] == leader).unwrap()["pid"]);
    cluster.until("another server leads", |status| !status["leader"].is_null() && status["leader"] != leader);
    assert_eq!(ask(dns, "web.icefield", Rtype::A).unwrap().1.len(), 3, "an election takes nothing away");
    environment.ok(["apply", file.to_str().unwrap(), "-D", "replicas=2", "--yes"]);
    until(dns, "web.icefield", Rtype::A, |found| found.len() == 2);
    cluster.stop();
}
