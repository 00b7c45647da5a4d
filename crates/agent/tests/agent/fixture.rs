//! One node with its folder, its agent and the stand-in for its cluster.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use icefield_agent::{Agent, AgentConfig, AgentError, LogLimits, NixConfig, Shutdown, Sources, Timings, kill_all};
use icefield_api::{Capacity, Heartbeat, ReplicaReport, ReplicaState};
use icefield_plan::{Generation, NodePlan, PLAN_SCHEMA, PlannedReplica, PlannedUnit, ReplicaId};
use icefield_spec::{Bytes, Cpu, Health, Millis, Name, Probe, Run, Unit};

use crate::stand_in::StandIn;

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A unit that runs `script` in a shell.
pub(crate) fn sh(script: &str) -> Unit {
    exec(&["sh", "-c", script])
}

pub(crate) fn exec(command: &[&str]) -> Unit {
    let run = Run::Exec { command: command.iter().map(|word| (*word).to_owned()).collect() };
    Unit { stop_grace: Millis::new(2_000), ..Unit::new(run, Cpu::from_millis(100), Bytes::new(64 << 20)) }
}

/// A health check by a command, quick to notice.
pub(crate) fn check(script: &str) -> Health {
    Health {
        probe: Probe::Exec { command: ["sh", "-c", script].map(str::to_owned).to_vec() },
        interval: Millis::new(50),
        timeout: Millis::new(2_000),
        threshold: 2,
        grace: Millis::new(10_000),
    }
}

/// A replica with its unit and its ports.
pub(crate) type Wanted<'a> = (&'a str, &'a Unit, &'a [(&'a str, u16)]);

pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    pub(crate) cluster: StandIn,
    agent: Option<Agent>,
    pub(crate) log: LogLimits,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, cluster: StandIn::start().await, agent: None, log: LogLimits::default() }
    }

    /// A node with an agent that runs.
    pub(crate) async fn running() -> Self {
        let mut fixture = Self::new().await;
        fixture.start().await;
        fixture
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path of the test's own.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn replica_path(&self, replica: &str, file: &str) -> PathBuf {
        self.data().join("replicas").join(replica.replace('/', "-")).join(file)
    }

    pub(crate) fn config(&self) -> AgentConfig {
        config(&self.data(), &self.cluster.url, self.log)
    }

    pub(crate) async fn try_start(&self) -> Result<Agent, AgentError> {
        Agent::start(self.config()).await
    }

    pub(crate) async fn start(&mut self) {
        self.start_with(self.config()).await;
    }

    pub(crate) async fn start_with(&mut self, config: AgentConfig) {
        self.cluster.forget();
        self.agent = Some(Agent::start(config).await.unwrap());
    }

    /// The agent is gone from one moment to the next.
    pub(crate) fn lose_agent(&mut self) {
        self.agent = None;
    }

    pub(crate) async fn shut_down(&mut self, how: Shutdown) {
        self.agent.take().unwrap().shut_down(how).await.unwrap();
    }

    pub(crate) fn api(&self) -> std::net::SocketAddr {
        self.agent.as_ref().unwrap().api()
    }

    /// An agent in a process of its own.
    pub(crate) fn start_process(&self) -> Child {
        self.cluster.forget();
        let program = std::env::current_exe().unwrap();
        let args = [self.data().display().to_string(), self.cluster.url.clone()];
        Command::new(program).arg("agent").args(args).stdin(Stdio::piped()).spawn().unwrap()
    }

    /// Offers the generation `number` with these replicas.
    pub(crate) fn want(&self, number: u64, replicas: &[(&str, &Unit)]) {
        let with_ports: Vec<_> = replicas.iter().map(|(id, unit)| (*id, *unit, &[] as &[_])).collect();
        self.want_with_ports(number, &with_ports);
    }

    pub(crate) fn want_with_ports(&self, number: u64, replicas: &[Wanted<'_>]) {
        self.cluster.offer(generation(number, replicas));
    }

    /// The report of `replica` once `is` says yes to it.
    pub(crate) async fn report(&self, replica: &str, is: impl Fn(&ReplicaReport) -> bool) -> ReplicaReport {
        let beat = self.cluster.heartbeat(|beat| report_of(beat, replica).is_some_and(&is)).await;
        report_of(&beat, replica).unwrap().clone()
    }

    /// The process of `replica` once it is healthy.
    pub(crate) async fn healthy(&self, replica: &str) -> u32 {
        self.report(replica, |report| report.state == ReplicaState::Healthy).await.pid.unwrap()
    }

    /// Returns when no replica called `replica` is reported any more.
    pub(crate) async fn gone(&self, replica: &str) {
        self.cluster.heartbeat(|beat| report_of(beat, replica).is_none()).await;
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.agent = None;
        let killed = kill_all(&self.data());
        assert!(killed.is_ok() || std::thread::panicking(), "{killed:?}");
    }
}

fn report_of<'a>(beat: &'a Heartbeat, replica: &str) -> Option<&'a ReplicaReport> {
    beat.replicas.iter().find(|report| report.replica.to_string() == replica)
}

pub(crate) fn generation(number: u64, replicas: &[Wanted<'_>]) -> Generation {
    let mut plan = NodePlan {
        schema: PLAN_SCHEMA,
        cluster: name("test"),
        node: name("n1"),
        address: "127.0.0.1".into(),
        system: "x86_64-linux".into(),
        base: None,
        nixos: None,
        units: BTreeMap::new(),
        replicas: BTreeMap::new(),
    };
    for (id, unit, ports) in replicas {
        let id: ReplicaId = id.parse().unwrap();
        let revision = unit.revision();
        plan.units.insert(revision, PlannedUnit { service: id.service.clone(), unit: (*unit).clone().into() });
        let ports = ports.iter().map(|(port, number)| (name(port), *number)).collect();
        plan.replicas.insert(id, PlannedReplica { revision, ports });
    }
    Generation::new(number, plan)
}

fn config(data: &Path, server: &str, log: LogLimits) -> AgentConfig {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".into());
    AgentConfig {
        node: name("n1"),
        servers: vec![server.to_owned()],
        keyring: None,
        data: data.to_owned(),
        address: "127.0.0.1".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        capacity: Capacity { cpu: Cpu::from_millis(4000), memory: Bytes::new(1 << 30), ports: None },
        exec_dir: None,
        nix: NixConfig { program: "/nowhere/nix".into(), store: None },
        sources: Sources::default(),
        exchange: None,
        base_env: BTreeMap::from([("PATH".to_owned(), path)]),
        shim_command: vec![std::env::current_exe().unwrap().into(), "shim".into()],
        secrets_on_disk: true,
        timings: Timings::default(),
        log,
        system: None,
        systemd: None,
        dns: None,
    }
}

/// Runs an agent until its standard input is closed, or it is killed.
pub(crate) fn agent_process(args: &[String]) -> ExitCode {
    let [data, server] = args else { return ExitCode::FAILURE };
    let config = config(Path::new(data), server, LogLimits::default());
    block_on(async {
        let agent = Agent::start(config).await.unwrap();
        let end = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
        end.await.unwrap().unwrap();
        agent.shut_down(Shutdown::Leave).await.unwrap();
    });
    ExitCode::SUCCESS
}

/// A port that nobody uses: below those that the kernel gives to connections, and another one each time.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until `is` is so.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < Duration::from_secs(20), "not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether the process `pid` runs; a zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

pub(crate) fn signal(pid: u32, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success(), "kill -{signal} {pid}");
}

/// The number in `file`, once it is there.
pub(crate) async fn number_in(file: &Path) -> u32 {
    let read = || std::fs::read_to_string(file).ok()?.trim().parse().ok();
    until(&format!("a number in {}", file.display()), || read().is_some()).await;
    read().unwrap()
}
