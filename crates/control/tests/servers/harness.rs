//! Servers in this process, each with a runtime of its own, so that one can be killed without the others noticing
//! anything but its silence.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, Capacity, Client, ErrorBody, Heartbeat, Status};
use icefield_control::reconcile::Config;
use icefield_control::{Begin, Security, Server, ServerConfig, StartError, Timings};
use icefield_spec::{Bytes, Cpu, Spec};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A group of servers.
pub(crate) struct Group {
    pub(crate) configs: Vec<ServerConfig>,
    running: Vec<Option<Running>>,
    /// What the tests themselves run on.
    runtime: Runtime,
    _home: TempDir,
}

struct Running {
    runtime: Runtime,
    server: Server,
}

impl Group {
    /// Starts a group of `count` servers.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, Timings::default())
    }

    pub(crate) fn start_with(count: usize, timings: Timings) -> Self {
        Self::start_in(count, timings, |_| None)
    }

    /// Starts a group some of whose servers keep their data in folders of their own.
    pub(crate) fn start_in(count: usize, timings: Timings, folder: impl Fn(usize) -> Option<PathBuf>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = |at: usize| ServerConfig {
            name: format!("s{at}"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            security: Security::Plain,
            begin: Begin::Form(Vec::new()),
            data: folder(at).unwrap_or_else(|| home.path().join(format!("s{at}"))),
            timings,
            cluster: Config::default(),
        };
        let configs: Vec<ServerConfig> = (0..count).map(config).collect();
        let running = (0..count).map(|_| None).collect();
        let mut group = Self { configs, running, runtime: runtime(), _home: home };
        group.take_new_ports();
        for at in 0..count {
            group.restart(at);
        }
        group
    }

    /// Adds a server to the group's and starts it, on a port of its own.
    pub(crate) fn add(&mut self, config: ServerConfig) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        self.configs.push(ServerConfig { listen: port, ..config });
        self.running.push(None);
        self.restart(self.configs.len() - 1);
    }

    /// Gives every server another port, from its next start on.
    pub(crate) fn take_new_ports(&mut self) {
        // All ports are taken before any is given back, so that they differ.
        let bind = |_| TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners: Vec<TcpListener> = self.configs.iter().map(bind).collect();
        for (config, listener) in self.configs.iter_mut().zip(&listeners) {
            config.listen = listener.local_addr().unwrap();
        }
        let peer = |config: &ServerConfig| (config.name.clone(), format!("http://{}", config.listen));
        let peers: Vec<(String, String)> = self.configs.iter().map(peer).collect();
        self.configs.iter_mut().for_each(|config| config.begin = Begin::Form(peers.clone()));
    }

    /// Keeps a server from doing anything for a while.
    pub(crate) fn stall(&self, at: usize, pause: Duration) {
        if let Some(Running { runtime, .. }) = &self.running[at] {
            for _ in 0..WORKERS {
                runtime.spawn(async move { std::thread::sleep(pause) });
            }
        }
    }

    /// Runs something against the group.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs something beside the test.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(future)
    }

    /// A client of all servers.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.configs.iter().map(|config| format!("http://{}", config.listen)))
    }

    /// A client of one server alone.
    pub(crate) fn client_of(&self, at: usize) -> Client {
        Client::new([self.url(at)])
    }

    pub(crate) fn url(&self, at: usize) -> String {
        format!("http://{}", self.configs[at].listen)
    }

    pub(crate) fn data(&self, at: usize) -> PathBuf {
        self.configs[at].data.clone()
    }

    /// Ends a server at once, as if it had been killed.
    pub(crate) fn kill(&mut self, at: usize) {
        if let Some(Running { runtime, server }) = self.running[at].take() {
            drop(server);
            // When this returns, nothing of it runs any more.
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    /// Ends a server in good order.
    pub(crate) fn end(&mut self, at: usize) {
        if let Some(Running { runtime, server }) = self.running[at].take() {
            runtime.block_on(server.end());
        }
    }

    /// Starts a server, again or for the first time.
    pub(crate) fn restart(&mut self, at: usize) {
        // A killed server lets go of its port and its folder a moment later.
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let runtime = runtime();
            match runtime.block_on(Server::start(self.configs[at].clone())) {
                Ok(server) => {
                    self.running[at] = Some(Running { runtime, server });
                    return;
                }
                Err(error) if Instant::now() < until => {
                    assert!(matches!(error, StartError::Listen { .. } | StartError::Group(_)), "{error}");
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("server {at} does not start: {error}"),
            }
        }
    }

    /// The status, once `wanted` holds.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let last = self.block_on(self.client().status(None, Duration::ZERO));
            if let Ok(status) = &last
                && wanted(status)
            {
                return last.unwrap();
            }
            assert!(Instant::now() < until, "it does not come about: {last:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Which server leads.
    pub(crate) fn leader(&self) -> usize {
        let status = self.wait_for(|status| status.leader.is_some());
        let leader = status.leader.unwrap();
        self.configs.iter().position(|config| config.name == leader).unwrap()
    }
}

/// How many threads each server has.
const WORKERS: usize = 2;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap()
}

/// A spec with `replicas` of service "web" on nodes "n1" and "n2".
pub(crate) fn spec(replicas: u32) -> Spec {
    let node = r#"{"machine": {"cpu": "4", "memory": "4GiB"}}"#;
    let text = format!(
        r#"{{"schema": 1, "cluster": "shop", "nodes": {{"n1": {node}, "n2": {node}}}, "services": {{"web":
            {{"replicas": {replicas}, "unit": {{"run": {{"kind": "exec", "command": ["sleep", "1000"]}},
              "cpu": "100m", "memory": "64MiB"}}}}}}}}"#
    );
    Spec::from_json(&text).unwrap()
}

pub(crate) fn request(replicas: u32) -> ApplyRequest {
    ApplyRequest::whatever_is_there(spec(replicas))
}

/// What an agent without replicas says.
pub(crate) fn heartbeat() -> Heartbeat {
    Heartbeat {
        started: 1,
        number: 1,
        address: "127.0.0.1".into(),
        api: "http://127.0.0.1:1".into(),
        cache: None,
        capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(4 << 30), ports: None },
        drivers: vec!["exec".into()],
        generation: 0,
        replicas: Vec::new(),
        endpoints: Default::default(),
        message: None,
        drift: Vec::new(),
        system: None,
        leaving: false,
    }
}

/// What a server answered.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

/// Sends a request with these headers.
pub(crate) async fn send_with(url: String, method: &str, body: &str, headers: &[(&str, &str)]) -> Answered {
    let http = icefield_api::Http::new(Default::default(), None).get();
    let mut request = http.request(method.parse().unwrap(), url).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, head) = (answer.status().as_u16(), answer.headers().clone());
    Answered { status, head, text: answer.text().await.unwrap() }
}

/// What an error answer says.
pub(crate) fn error_body(text: &str) -> ErrorBody {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not an error body ({error}): {text}"))
}
