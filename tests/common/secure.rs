//! A cluster with certificates: real servers and agents on this machine, each a process of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use icefield_api::{Http, HttpOptions, IdentityFolder, Keyring};
use icefield_pki::Expect;
use serde_json::Value;

use super::{Outcome, PATIENCE, TestEnvironment};

/// The servers and agents of a cluster; they end with this value.
pub(crate) struct SecureCluster {
    pub(crate) environment: TestEnvironment,
    processes: BTreeMap<String, Child>,
    ports: BTreeMap<String, u16>,
}

impl SecureCluster {
    /// A cluster of one server, "s1", to which this environment's user is logged in as its first admin.
    pub(crate) fn start() -> Self {
        let mut cluster =
            Self { environment: TestEnvironment::new(), processes: BTreeMap::new(), ports: BTreeMap::new() };
        cluster.server("s1", &["--new-cluster"]);
        let token = cluster.data("s1").join("admin-token");
        wait_for("the first admin's token", || token.exists());
        let token = fs::read_to_string(token).unwrap();
        let url = cluster.url("s1");
        wait_for("the first login", || {
            cluster.environment.run(["login", &url, "--token", token.trim()]).code == Some(0)
        });
        cluster
    }

    /// The address of a server, whether it runs or not.
    pub(crate) fn address(&mut self, server: &str) -> String {
        let port = *self.ports.entry(server.to_owned()).or_insert_with(free_port);
        format!("127.0.0.1:{port}")
    }

    /// Starts a server.
    pub(crate) fn server(&mut self, name: &str, more: &[&str]) {
        let address = self.address(name);
        let mut arguments: Vec<OsString> = ["server", "--name", name].map(Into::into).into();
        arguments.extend(["--listen".into(), address.into()]);
        arguments.extend(["--data".into(), self.data(name).into()]);
        arguments.extend(more.iter().map(Into::into));
        self.spawn(name, arguments);
    }

    /// Starts an agent, on a loopback address of its own.
    pub(crate) fn agent(&mut self, node: &str, servers: &[&str], more: &[&str]) {
        self.agent_in(node, servers, more, &BTreeMap::new());
    }

    /// The same with these variables in its environment; gives back its process.
    pub(crate) fn agent_in(
        &mut self,
        node: &str,
        servers: &[&str],
        more: &[&str],
        variables: &BTreeMap<String, String>,
    ) -> u32 {
        let arguments = self.agent_arguments(node, servers, more);
        self.spawn_in(node, arguments, variables)
    }

    /// The arguments of an agent's command.
    pub(crate) fn agent_arguments(&self, node: &str, servers: &[&str], more: &[&str]) -> Vec<OsString> {
        let number = node.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let mut arguments: Vec<OsString> = ["agent", "--node", node].map(Into::into).into();
        arguments.extend(["--address".into(), format!("127.77.0.{number}").into()]);
        arguments.extend(["--ports".into(), "21000-21999".into()]);
        arguments.extend(["--data".into(), self.data(node).into()]);
        for server in servers {
            arguments.extend(["--server".into(), self.url(server).into()]);
        }
        arguments.extend(more.iter().map(Into::into));
        arguments
    }

    /// Starts an agent for whom the folder `from` is where another one is for everybody else, as on a machine of its own.
    pub(crate) fn agent_apart(
        &mut self,
        node: &str,
        more: &[&str],
        variables: &BTreeMap<String, String>,
        (from, to): (&Path, &Path),
    ) {
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(from).arg(to);
        let own = self.environment.command();
        command.arg(own.get_program()).args(self.agent_arguments(node, &["s1"], more));
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.environment.path("")).stdin(Stdio::null());
        self.start_process(node, command, variables);
    }

    fn spawn(&mut self, name: &str, arguments: Vec<OsString>) {
        self.spawn_in(name, arguments, &BTreeMap::new());
    }

    fn spawn_in(&mut self, name: &str, arguments: Vec<OsString>, variables: &BTreeMap<String, String>) -> u32 {
        let mut command = self.environment.command();
        command.args(arguments);
        self.start_process(name, command, variables)
    }

    fn start_process(&mut self, name: &str, mut command: Command, variables: &BTreeMap<String, String>) -> u32 {
        let log = File::options().create(true).append(true).open(self.log(name)).unwrap();
        command.envs(variables).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        let pid = process.id();
        self.processes.insert(name.to_owned(), process);
        pid
    }

    /// Ends a process at once.
    pub(crate) fn kill(&mut self, name: &str) {
        if let Some(mut process) = self.processes.remove(name) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Waits for a process to end by itself, and gives back what it wrote to its log.
    pub(crate) fn ended(&mut self, name: &str) -> String {
        let mut process = self.processes.remove(name).unwrap();
        wait_for("its end", || process.try_wait().unwrap().is_some());
        self.read_log(name)
    }

    pub(crate) fn is_running(&mut self, name: &str) -> bool {
        self.processes.get_mut(name).is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    pub(crate) fn url(&self, server: &str) -> String {
        format!("https://127.0.0.1:{}", self.ports[server])
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.environment.path("data").join(name)
    }

    pub(crate) fn read_log(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.environment.path(&format!("{name}.log"))
    }

    /// Runs a command as the bearer of a token, without a login.
    pub(crate) fn run_as(&self, token: &str, arguments: &[&str]) -> Outcome {
        let mut command = self.environment.command();
        command.env("ICEFIELD_TOKEN", token).env("ICEFIELD_SERVER", self.url("s1")).args(arguments);
        let output = command.output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Makes a token with a command.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        self.environment.ok(arguments).trim().to_owned()
    }

    /// Waits until the answer of a command with --json is as it should be.
    pub(crate) fn until(&self, what: &str, arguments: &[&str], condition: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let outcome = self.environment.run(arguments);
            let answer = serde_json::from_str(&outcome.stdout).unwrap_or(Value::Null);
            if outcome.code == Some(0) && condition(&answer) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}: {outcome:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for SecureCluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in self.processes.keys().chain(self.ports.keys()) {
                eprintln!("--- {name}\n{}", fs::read_to_string(self.log(name)).unwrap_or_default());
            }
        }
        for process in self.processes.values_mut() {
            // SIGINT lets an agent stop its replicas first.
            let pid = process.id().to_string();
            let _ = std::process::Command::new("kill").args(["-INT", &pid]).status();
        }
        for process in self.processes.values_mut() {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(15) && process.try_wait().is_ok_and(|ended| ended.is_none()) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Waits for something to come about.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A GET request, with a token if there is one; the status and the body of the answer, or 0 and why there is none.
pub(crate) fn fetch(http: &Http, url: &str, token: Option<&str>) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut request = http.get().get(url).timeout(Duration::from_secs(20));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => (0, format!("{error:?}")),
        }
    })
}

/// A GET request with what a machine has in its folder.
pub(crate) fn get_as(folder: &Path, url: &str) -> (u16, String) {
    let keyring = Keyring::new(IdentityFolder::new(folder).load().unwrap().unwrap());
    fetch(&keyring.http(HttpOptions::default(), Expect::Server), url, None)
}
