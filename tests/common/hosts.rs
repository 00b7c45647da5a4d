//! Machines of a cluster as network namespaces on one bridge, which can be cut off from each other.

use std::process::Command;

/// So many hosts, each with an address of its own; they go with this value.
pub(crate) struct Hosts {
    prefix: String,
    count: u8,
}

impl Hosts {
    /// `None`, loudly, where this process may not make network namespaces.
    pub(crate) fn new(count: u8) -> Option<Self> {
        let prefix = format!("icf{}-", std::process::id());
        let hosts = Self { prefix, count };
        let bridge = hosts.name(0);
        if let Err(reason) = ip(&["netns", "add", &bridge]) {
            eprintln!("SKIPPED: no network namespace can be made: {reason}");
            std::mem::forget(hosts);
            return None;
        }
        hosts.within(0, &["ip", "link", "add", "br0", "type", "bridge"]);
        hosts.within(0, &["ip", "link", "set", "br0", "up"]);
        for host in 1..=count {
            let (name, port) = (hosts.name(host), format!("port{host}"));
            ip(&["netns", "add", &name]).unwrap();
            ip(&["link", "add", &port, "netns", &bridge, "type", "veth", "peer", "name", "eth0", "netns", &name])
                .unwrap();
            hosts.within(0, &["ip", "link", "set", &port, "master", "br0", "up"]);
            hosts.within(host, &["ip", "address", "add", &format!("{}/24", Self::address(host)), "dev", "eth0"]);
            hosts.within(host, &["ip", "link", "set", "lo", "up"]);
            hosts.within(host, &["ip", "link", "set", "eth0", "up"]);
            hosts.within(host, &["nft", "add", "table", "inet", "cut"]);
            let chain = "{ type filter hook input priority 0 ; policy accept ; }";
            hosts.within(host, &["nft", "add", "chain", "inet", "cut", "input", chain]);
        }
        Some(hosts)
    }

    /// The address of a host, from 1 up.
    pub(crate) fn address(host: u8) -> String {
        format!("10.213.7.{host}")
    }

    /// What runs a program on a host: to be followed by the program.
    pub(crate) fn command(&self, host: u8) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]);
        command
    }

    /// Lets nothing that `from` sends reach `to`; the other way stays open.
    pub(crate) fn cut(&self, from: u8, to: u8) {
        let rule = ["nft", "add", "rule", "inet", "cut", "input", "ip", "saddr", &Self::address(from), "drop"];
        self.within(to, &rule);
    }

    /// Cuts a host off from all others, both ways.
    pub(crate) fn isolate(&self, host: u8) {
        for other in (1..=self.count).filter(|other| *other != host) {
            self.cut(host, other);
            self.cut(other, host);
        }
    }

    /// Mends all cuts.
    pub(crate) fn heal(&self) {
        for host in 1..=self.count {
            self.within(host, &["nft", "flush", "chain", "inet", "cut", "input"]);
        }
    }

    fn name(&self, host: u8) -> String {
        format!("{}{host}", self.prefix)
    }

    fn within(&self, host: u8, arguments: &[&str]) {
        let output = self.command(host).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in 0..=self.count {
            // What is not there need not go.
            let _ = ip(&["netns", "delete", &self.name(host)]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
