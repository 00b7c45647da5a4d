use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};

use icefield_spec::{PortRange, Revision};
use serde::{Deserialize, Serialize};

use super::layout::{Layout, write_json};
use crate::command_error::CommandError;

/// The ports and addresses of a dev cluster. All nodes share this machine, so each gets a loopback address of its own
/// and a range of ports of its own. They are kept with the data, so that replicas keep theirs over a restart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Slots {
    /// The second and third byte of the nodes' addresses.
    network: [u8; 2],
    /// The ports of the servers, by name.
    servers: BTreeMap<String, u16>,
    /// The slot of each node, by name.
    nodes: BTreeMap<String, u16>,
    /// The port that all nodes answer DNS on, each at its own address.
    #[serde(default)]
    dns: Option<u16>,
}

/// Servers listen on a port of these, below Linux's ephemeral ones like the nodes'.
const FIRST_SERVER_PORT: u16 = 9_000;
const SERVER_PORTS: u16 = 1_000;
/// DNS is answered on one of these, where no node's replicas listen.
const FIRST_DNS_PORT: u16 = 8_053;
/// How many ports a node has for its replicas.
const PORTS_PER_NODE: u16 = 200;
/// Ports from here on are given to nodes; they end below Linux's ephemeral ports (32768 and up).
const FIRST_PORT: u16 = 10_000;
/// How many nodes fit between.
const SLOTS: u16 = (32_000 - FIRST_PORT) / PORTS_PER_NODE;

impl Slots {
    /// What was given out before, or nothing yet.
    pub(crate) fn load(layout: &Layout) -> Result<Self, CommandError> {
        let path = layout.slots();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                CommandError::because(format!("{} is damaged", path.display()), &error)
                    .hint("start with another --data, or remove the folder to start afresh")
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::new(&layout.root().to_string_lossy())),
            Err(error) => Err(CommandError::because(format!("cannot read {}", path.display()), &error)),
        }
    }

    /// Nothing given out yet; another seed makes other addresses likely.
    fn new(seed: &str) -> Self {
        let digits = Revision::of(seed).to_string();
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_default();
        // Not 127.0.x.y, where this machine's own services may listen.
        Self { network: [64 + byte(0) % 128, byte(2)], servers: BTreeMap::new(), nodes: BTreeMap::new(), dns: None }
    }

    /// Keeps what was given out.
    pub(crate) fn save(&self, layout: &Layout) -> Result<(), CommandError> {
        write_json(&layout.slots(), self)
    }

    /// The port of a server: the same as ever, or a free one.
    pub(crate) fn server(&mut self, name: &str) -> Result<u16, CommandError> {
        if let Some(port) = self.servers.get(name) {
            return Ok(*port);
        }
        let busy = listening_ports();
        // From another place for each cluster, so that two that are started at once hardly meet.
        let start = u16::from_be_bytes(self.network) % (SERVER_PORTS / 3) * 3;
        let mut ports = (0..SERVER_PORTS).map(|step| FIRST_SERVER_PORT + (start + step) % SERVER_PORTS);
        let free = |port: &u16| !busy.contains(port) && !self.servers.values().any(|taken| taken == port);
        let port = ports.find(free).ok_or_else(|| CommandError::new("no free port is left for a server"))?;
        self.servers.insert(name.to_owned(), port);
        Ok(port)
    }

    /// The port that nodes answer DNS on: the same as ever, or a free one.
    pub(crate) fn dns(&mut self) -> Result<u16, CommandError> {
        let port = match self.dns {
            Some(port) => port,
            None => {
                let busy = listening_ports();
                let free = |port: &u16| !busy.contains(port) && UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
                (FIRST_DNS_PORT..FIRST_SERVER_PORT)
                    .find(free)
                    .ok_or_else(|| CommandError::new("no free port is left for DNS"))?
            }
        };
        self.dns = Some(port);
        Ok(port)
    }

    /// The address and the ports of a node: the same as ever, or free ones.
    pub(crate) fn node(&mut self, name: &str) -> Result<(Ipv4Addr, PortRange), CommandError> {
        let slot = match self.nodes.get(name) {
            Some(slot) => *slot,
            None => {
                let slot = self.free_slot()?;
                self.nodes.insert(name.to_owned(), slot);
                slot
            }
        };
        let first = FIRST_PORT + slot * PORTS_PER_NODE;
        let ports = PortRange::new(first, first + PORTS_PER_NODE - 1).unwrap_or_default();
        // 127.a.b.1 is left alone: it looks like a gateway.
        let [a, b] = self.network;
        Ok((Ipv4Addr::new(127, a, b, u8::try_from(slot + 2).unwrap_or(u8::MAX)), ports))
    }

    /// A slot that no node has and where nothing listens. The search starts at a place that differs between clusters,
    /// so that two on one machine seldom meet.
    fn free_slot(&self) -> Result<u16, CommandError> {
        let taken: BTreeSet<u16> = self.nodes.values().copied().collect();
        let busy = listening_ports();
        let start = (u16::from(self.network[0]) * 7 + u16::from(self.network[1])) % SLOTS;
        let free = (0..SLOTS).map(|step| (start + step) % SLOTS).find(|slot| {
            let first = FIRST_PORT + slot * PORTS_PER_NODE;
            !taken.contains(slot) && busy.range(first..first + PORTS_PER_NODE).next().is_none()
        });
        free.ok_or_else(|| CommandError::new("no range of free ports is left for another node"))
    }
}

/// The TCP ports that something on this machine listens on.
fn listening_ports() -> BTreeSet<u16> {
    const LISTEN: &str = "0A";
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let mut fields = line.split_whitespace();
            let (local, state) = (fields.nth(1), fields.nth(1));
            if let (Some((_, port)), Some(LISTEN)) = (local.and_then(|local| local.rsplit_once(':')), state)
                && let Ok(port) = u16::from_str_radix(port, 16)
            {
                ports.insert(port);
            }
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn nodes_get_places_of_their_own_and_keep_them() {
        let mut slots = Slots::new("test");
        let a = slots.node("a").unwrap();
        let b = slots.node("b").unwrap();
        assert_ne!(a.0, b.0);
        assert!(a.1.last() < b.1.first() || b.1.last() < a.1.first());
        assert_eq!(slots.node("a").unwrap(), a);
    }

    #[test]
    fn a_slot_where_something_listens_is_passed_over() {
        let free = Slots::new("test").node("a").unwrap().1;
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free.first() + 5)).unwrap();
        assert_ne!(Slots::new("test").node("a").unwrap().1, free);
    }
}
