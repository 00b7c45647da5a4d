use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use icefield_control::raft::{Founders, Member};
use icefield_control::reconcile::Config;
use icefield_control::{Clock, Timings};

use crate::agent::Agent;
use crate::chance::Chance;
use crate::declare::node_name;
use crate::disk::SimDisk;
use crate::hub::Hub;
use crate::network::Network;
use crate::run::Setup;
use crate::server::{Beginning, Server};

/// Servers, agents and clients on one network.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) servers: usize,
    pub(crate) names: Arc<[String]>,
    pub(crate) agents: Vec<Arc<Agent>>,
    /// How many servers, agents and clients there are.
    pub(crate) sites: usize,
    setup: Setup,
    founders: Founders,
    timings: Timings,
    starts: AtomicU64,
    chance: Mutex<Chance>,
}

impl World {
    /// When every run starts, by the servers' clocks: in milliseconds since 1970.
    const EPOCH: u64 = 1_800_000_000_000;

    /// A world of which nothing runs yet.
    pub(crate) fn new(seed: u64, setup: Setup, [servers, agents, clients]: [usize; 3]) -> Self {
        let names: Arc<[String]> = (1..=servers).map(|number| format!("s{number}")).collect();
        let member = |name: &String| Member::new(name, format!("http://{name}.example"));
        let sites = servers + agents + clients;
        let mut chance = Chance::new(seed, "world");
        let timings = Timings {
            // Few enough that logs are cut, and servers that were away get a snapshot.
            snapshot_every: chance.within(20..200),
            keep_entries: chance.within(0..50),
            ..Timings::default()
        };
        Self {
            hub: Arc::new(Hub::new(Network::new(Chance::new(seed, "network"), sites), servers)),
            servers,
            agents: (0..agents)
                .map(|at| Arc::new(Agent::new(node_name(at), servers + at, setup.honest_agents)))
                .collect(),
            sites,
            setup,
            founders: Founders::new(names.iter().map(member).collect()),
            names,
            timings,
            starts: AtomicU64::new(0),
            chance: Mutex::new(chance),
        }
    }

    /// An empty disk for a server.
    pub(crate) fn disk(&self) -> SimDisk {
        SimDisk::new(self.latency(), self.setup.honest_disks)
    }

    /// Starts a server. Its clock is off by so many milliseconds.
    pub(crate) async fn start(&self, number: usize, disk: SimDisk, off: i64) {
        let life = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        self.hub.set_life(number, life);
        let beginning = Beginning {
            number,
            life,
            founders: self.founders.clone(),
            names: Arc::clone(&self.names),
            disk: Arc::new(disk),
            clock: Clock::at((Self::EPOCH + self.hub.trace.elapsed()).saturating_add_signed(off)),
            config: Config::default(),
            timings: self.timings,
            setup: self.setup,
        };
        match Server::start(&self.hub, beginning).await {
            Ok(server) => drop(self.hub.set_server(number, Some(Arc::new(server)))),
            Err(reason) => self.hub.fail("servers start again", format!("{}: {reason}", self.names[number])),
        }
        self.hub.trace.note(format!("{} runs", self.names[number]));
    }

    /// Has a server crash, if it runs; gives back what is left on its disk.
    pub(crate) fn crash(&self, number: usize, chance: &mut Chance) -> Option<SimDisk> {
        let server = self.hub.set_server(number, None)?;
        self.hub.set_life(number, 0);
        let disk = server.disk.after_crash(chance, self.latency());
        server.end();
        Some(disk)
    }

    /// How long a disk takes for a write.
    fn latency(&self) -> Duration {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let slow = chance.happens(100);
        Duration::from_millis(chance.within(if slow { 20..60 } else { 1..6 }))
    }
}
