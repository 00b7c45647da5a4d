use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use domain::base::iana::Rtype;
use domain::base::name::Name as DomainName;
use domain::base::{Message, MessageBuilder};
use icefield_dns::{DnsServer, Forward, Zone};
use icefield_plan::Endpoint;
use icefield_spec::Name;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use crate::dev_cluster::{DevCluster, all_healthy, kill};
use crate::figure::Against;
use crate::machine::Machine;
use crate::random::Random;
use crate::{Common, Failure};

/// How many services the zone of the load has, and replicas each.
const SERVICES: u32 = 1_000;
const REPLICAS: u32 = 3;
/// How many questions are under way.
const WINDOW: usize = 64;
/// How long a change may take at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// The goal, in answers a second.
const GOAL: f64 = 50_000.0;

/// How fast DNS is answered, and how soon a change is.
#[derive(Debug, Serialize)]
pub(crate) struct Dns {
    name: &'static str,
    load: Load,
    change: Change,
    machine: Machine,
}

/// Questions for addresses, over UDP, to a server that has one core; they are put from another one.
#[derive(Debug, Serialize)]
struct Load {
    services: u32,
    replicas: u32,
    answers: u64,
    /// By the clock.
    answers_per_second: f64,
    /// By the time that the server's thread had a core for: the same on a machine that does nothing else.
    answers_per_core_second: f64,
    lost: u64,
    goal: f64,
    met: bool,
}

/// From when the leader's own list of endpoints has changed to when a node's DNS answers so.
#[derive(Debug, Serialize)]
struct Change {
    measures: &'static str,
    #[serde(flatten)]
    times: Against,
}

/// Measures both: the load for `seconds`, and `runs` kills of a replica, each with its return.
pub(crate) async fn measure(common: &Common, seconds: u64, runs: usize) -> Result<Dns, Failure> {
    let load = std::thread::spawn(move || load(Duration::from_secs(seconds)).map_err(|error| error.to_string()));
    let load = load.join().map_err(|_| "the load failed")??;
    let change = change(common, runs).await?;
    Ok(Dns { name: "dns", load, change, machine: Machine::this() })
}

fn load(length: Duration) -> Result<Load, Failure> {
    let mut zone = Zone::new();
    zone.set_cluster(&Name::new("shop")?);
    for service in 0..SERVICES {
        let endpoint = |index| {
            let address = format!("10.{}.{}.{index}", service / 250, service % 250);
            let ports = BTreeMap::from([(Name::new("http")?, 8_080)]);
            Ok(Endpoint { index, node: Name::new("n1")?, address, ports })
        };
        let endpoints: Result<Vec<Endpoint>, Failure> = (0..REPLICAS).map(endpoint).collect();
        zone.set(&Name::new(&format!("service-{service}"))?, &endpoints?);
    }
    // A thread has the cores of the one that starts it.
    pin(0)?;
    let server = DnsServer::start(([127, 0, 0, 1], 0).into(), Arc::new(RwLock::new(zone)), &Forward::default(), 1)?;
    pin(1)?;
    let questions: Result<Vec<Vec<u8>>, Failure> =
        (0..SERVICES).map(|service| question(&format!("service-{service}.shop.icefield"))).collect();
    let (questions, mut random) = (questions?, Random::new(1));
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(server.address())?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut answer = [0; 2_048];
    // Its thread is there once it has answered.
    socket.send(&questions[0])?;
    socket.recv(&mut answer)?;
    let (mut answers, mut lost, mut under_way) = (0_u64, 0_u64, 0_usize);
    let (began, before) = (Instant::now(), processor_time()?);
    while began.elapsed() < length {
        while under_way < WINDOW {
            socket.send(random.one_of(&questions[..]).as_slice())?;
            under_way += 1;
        }
        match socket.recv(&mut answer) {
            Ok(length) => {
                let message = Message::from_octets(&answer[..length]).map_err(|_| "an answer is too short")?;
                if message.header_counts().ancount() != u16::try_from(REPLICAS)? {
                    return Err("an answer has not as many records as there are replicas".into());
                }
                answers += 1;
                under_way -= 1;
            }
            // What was under way is lost.
            Err(_) => lost += u64::try_from(std::mem::take(&mut under_way))?,
        }
    }
    let (by_clock, by_core) = (began.elapsed(), processor_time()?.saturating_sub(before));
    let answers_per_second = answers as f64 / by_clock.as_secs_f64();
    let answers_per_core_second = answers as f64 / by_core.as_secs_f64();
    Ok(Load {
        services: SERVICES,
        replicas: REPLICAS,
        answers,
        answers_per_second,
        answers_per_core_second,
        lost,
        goal: GOAL,
        met: answers_per_second >= GOAL,
    })
}

/// Gives this thread one core; on a machine with one, that.
fn pin(core: usize) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let mut set = CpuSet::new();
    set.set(core.min(cores - 1));
    Ok(sched_setaffinity(None, &set)?)
}

/// For how long the server's thread had a core.
fn processor_time() -> Result<Duration, Failure> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "dns" {
            let times = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = times.split_whitespace().next().ok_or("schedstat is empty")?.parse()?;
            return Ok(Duration::from_nanos(nanos));
        }
    }
    Err("the server has no thread".into())
}

fn question(name: &str) -> Result<Vec<u8>, Failure> {
    let mut question = MessageBuilder::new_vec().question();
    question.push((DomainName::<Vec<u8>>::from_chars(name.chars())?, Rtype::A))?;
    Ok(question.finish())
}

async fn change(common: &Common, runs: usize) -> Result<Change, Failure> {
    let cluster = DevCluster::start(common, "hello")?;
    let running = cluster.processes()?;
    let dns = running["nodes"].as_array().and_then(|nodes| nodes.last()).and_then(|node| node["dns"].as_str());
    let dns: SocketAddr = dns.ok_or("the dev cluster does not say where DNS is answered")?.parse()?;
    let mut times = Vec::new();
    for run in 0..runs {
        let status = cluster.until(all_healthy).await?;
        let service = &status.services[0];
        let replica = &service.replicas[run % service.replicas.len()];
        let cluster_name = status.cluster.as_ref().ok_or("nothing is applied")?;
        let question = question(&format!("{}.{}.{cluster_name}.icefield", replica.index, service.name))?;
        kill(replica.pid.ok_or("a healthy replica has a process")?)?;
        for there in [false, true] {
            let listed = async {
                loop {
                    let list = cluster.client.endpoints(&service.name).await?;
                    if list.endpoints.iter().any(|endpoint| endpoint.index == replica.index) == there {
                        return Ok::<_, Failure>(Instant::now());
                    }
                }
            };
            let both = async { tokio::try_join!(listed, answered(dns, &question, there)) };
            let (listed, answered) = tokio::time::timeout(PATIENCE, both).await??;
            times.push(answered.saturating_duration_since(listed));
        }
        // One that is killed again within two seconds counts as failing by itself and is paused.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let measures = "a replica is killed, and returns: the leader's list of endpoints has changed until a node's DNS \
                    answers so";
    Ok(Change { measures, times: Against::new(Duration::from_millis(100), times) })
}

/// When the node answers that the replica is there, or is not.
async fn answered(dns: SocketAddr, question: &[u8], there: bool) -> Result<Instant, Failure> {
    let socket = tokio::net::UdpSocket::bind(("127.0.0.1", 0)).await?;
    socket.connect(dns).await?;
    let mut answer = [0; 512];
    loop {
        socket.send(question).await?;
        if let Ok(length) = tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut answer)).await {
            let message = Message::from_octets(&answer[..length?]).map_err(|_| "an answer is too short")?;
            if (message.header_counts().ancount() > 0) == there {
                return Ok(Instant::now());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
