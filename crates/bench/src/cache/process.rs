use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::dev_cluster::binary;
use crate::{Common, Failure};

/// A server that is measured, as a process of its own; it ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    /// `icefield cache serve` with these arguments.
    pub(crate) fn icefield(common: &Common, arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(binary(common)?);
        command.args(["cache", "serve", "--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("it has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        let mut process = Self { child, address: String::new() };
        process.address = address.ok_or("icefield does not say where it serves")?;
        Ok(process)
    }

    /// Another server, which is told where to listen by `command`.
    pub(crate) fn other(command: impl FnOnce(&str) -> Result<Command, Failure>) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = command(&address)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Self { child: command.spawn()?, address };
        let began = Instant::now();
        while TcpStream::connect(&process.address).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("a server does not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// The most memory that it has had, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        let peak: f64 = peak.ok_or("it does not say how much memory it has had")?;
        Ok(peak / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx ends its workers on this, and not when it is killed.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
