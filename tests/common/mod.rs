//! What the tests of the binary share: a home of their own, the command as a user types it, and real clusters.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stderr, reason = "a failed test tells what it saw, a skipped one that it was")]

pub(crate) mod hosts;
pub(crate) mod resolver;
pub(crate) mod secure;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long any wait of a test may take; far more than it should, for slow machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A home and a work folder that nothing else uses.
pub(crate) struct TestEnvironment {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnvironment {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// Has every command find `value` in the variable `name`.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// A path in the work folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the work folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The command with this environment's home and nothing of the person's who runs the test.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icefield"));
        command
            .env("ICEFIELD_HOME", self.path("home"))
            .env_remove("ICEFIELD_SERVER")
            .env_remove("ICEFIELD_TOKEN")
            .env_remove("ICEFIELD_JOIN_TOKEN")
            .env("NO_COLOR", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .current_dir(self.folder.path());
        command
    }

    /// Runs `icefield` with these arguments.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let output = self.command().args(arguments).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs `icefield` and expects success.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        outcome.stdout
    }

    /// Runs `icefield`, expects success and reads JSON.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let text = self.ok(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A file or folder below `examples`.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// A dev cluster in the background; it ends with this value.
pub(crate) struct DevCluster<'a> {
    pub(crate) environment: &'a TestEnvironment,
    data: Option<PathBuf>,
}

impl<'a> DevCluster<'a> {
    /// Starts `file` and waits until all is healthy.
    pub(crate) fn start(environment: &'a TestEnvironment, file: &Path, data: Option<&Path>) -> Self {
        let mut arguments = vec!["dev".into(), file.as_os_str().to_owned(), "--detach".into()];
        if let Some(data) = data {
            arguments.extend(["--data".into(), data.as_os_str().to_owned()]);
        }
        let cluster = Self { environment, data: data.map(Path::to_path_buf) };
        environment.ok(arguments);
        cluster
    }

    /// A cluster that something else has started, or is starting.
    pub(crate) fn running_already(environment: &'a TestEnvironment) -> Self {
        Self { environment, data: None }
    }

    /// Ends the cluster and checks that none of its processes is left.
    pub(crate) fn stop(self) {
        let outcome = self.end();
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        let left = self.processes();
        assert!(left.is_empty(), "processes are left: {left:?}");
    }

    fn end(&self) -> Outcome {
        let mut arguments = vec!["dev".into(), "--stop".into()];
        if let Some(data) = &self.data {
            arguments.extend(["--data".into(), data.as_os_str().to_owned()]);
        }
        self.environment.run::<std::ffi::OsString>(arguments)
    }

    /// The processes that were started with this environment's home, or by such a process: their command lines.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.environment.path("").to_string_lossy().trim_end_matches('/').to_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let environment = String::from_utf8_lossy(&read("environ")).into_owned();
            let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let own = entry.file_name().to_string_lossy() == std::process::id().to_string();
            if !own && !command.is_empty() && (environment.contains(&folder) || command.contains(&folder)) {
                found.push(command);
            }
        }
        found
    }

    pub(crate) fn status(&self) -> Value {
        self.environment.json(["status", "--json"])
    }

    /// Waits until `condition` holds of the status, and gives that.
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < PATIENCE {
            let outcome = self.environment.run(["status", "--json"]);
            if outcome.code == Some(0) {
                last = serde_json::from_str(&outcome.stdout).unwrap();
                if condition(&last) {
                    return last;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited in vain until {what}: {last:#}");
    }

    /// What runs, as `dev` itself says.
    pub(crate) fn running(&self) -> Value {
        let data = self.data.clone().unwrap_or_else(|| {
            let dev = fs::read_dir(self.environment.path("home/dev")).unwrap();
            dev.flatten().map(|entry| entry.path()).find(|path| path.join("dev.json").exists()).unwrap()
        });
        serde_json::from_slice(&fs::read(data.join("dev.json")).unwrap()).unwrap()
    }
}

impl Drop for DevCluster<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.environment.run(["events", "-n", "40"]).stdout);
        }
        self.end();
    }
}

/// Whether every service has all replicas healthy.
pub(crate) fn all_healthy(status: &Value) -> bool {
    let services = status["services"].as_array().unwrap();
    !services.is_empty() && services.iter().all(|service| service["healthy"] == service["desired"])
}

/// Every replica of every service.
pub(crate) fn replicas(status: &Value) -> Vec<&Value> {
    status["services"].as_array().unwrap().iter().flat_map(|service| service["replicas"].as_array().unwrap()).collect()
}

/// `kill -9`.
pub(crate) fn kill(pid: &Value) {
    let pid = pid.as_u64().unwrap_or_else(|| panic!("no process: {pid}")).to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
}

/// A GET request; the body of the answer, if it is a success.
pub(crate) fn get(url: &str) -> Option<String> {
    let (code, body) = request(url, "GET", "");
    (code == 200).then_some(body)
}

/// A request over a socket; the status and the body of the answer.
pub(crate) fn request(url: &str, method: &str, body: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Ok(mut stream) = std::net::TcpStream::connect(host) else { return (0, String::new()) };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
        return (0, String::new());
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (code, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}
