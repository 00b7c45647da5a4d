use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use icefield_api::{Capacity, Heartbeat};
use icefield_placement::ReplicaId;
use icefield_plan::Generation;
use icefield_spec::{Bytes, Cpu, Name, Revision};
use tokio::time::{Instant, sleep, sleep_until};

use crate::chance::Chance;
use crate::declare;
use crate::hub::Hub;
use crate::invariants::generations;
use crate::network::Site;
use crate::process::Process;
use crate::server::{Reply, Server};
use crate::system::{Power, Standing, System};

/// An agent and its machine: it makes its node's generation true, says how that goes, and stops its singletons when it
/// cannot renew its lease.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) node: Name,
    pub(crate) site: Site,
    machine: Mutex<Machine>,
}

#[derive(Debug)]
struct Machine {
    is_off: bool,
    /// How often its agent was started.
    starts: u64,
    /// The newest generation that it has taken up; kept on its disk.
    generation: Option<Generation>,
    processes: BTreeMap<ReplicaId, Process>,
    /// Until when singletons may run.
    fence: Option<Instant>,
    system: System,
    contact: Contact,
    /// The values of secrets that it was given, by the numbers of their versions; in memory alone.
    secrets: BTreeMap<u64, String>,
    /// What ran when the machine was last restarted for its system.
    restarted: Option<Vec<ReplicaId>>,
}

/// Since when and until when one server has answered all that an agent said, in milliseconds since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Contact {
    server: usize,
    pub(crate) since: u64,
    pub(crate) until: u64,
}

impl Agent {
    /// The time from one heartbeat to the next.
    const EVERY: Duration = Duration::from_millis(250);
    /// How long an answer is awaited.
    const PATIENCE: Duration = Duration::from_millis(375);
    /// The pause before another server is asked.
    const PAUSE: Duration = Duration::from_millis(20);

    /// The agent of a machine that has nothing to do yet.
    pub(crate) fn new(node: Name, site: Site, honest: bool) -> Self {
        let machine = Machine {
            is_off: false,
            starts: 0,
            generation: None,
            processes: BTreeMap::new(),
            fence: None,
            system: System::new(honest),
            contact: Contact::default(),
            secrets: BTreeMap::new(),
            restarted: None,
        };
        Self { node, site, machine: Mutex::new(machine) }
    }

    /// Reports to the servers over and over; never returns.
    pub(crate) async fn run(self: Arc<Self>, hub: Arc<Hub>, servers: Arc<[String]>, mut chance: Chance) {
        let mut current = chance.below(servers.len());
        sleep(Duration::from_millis(chance.within(0..250))).await;
        loop {
            let sent = Instant::now();
            let heartbeat = self.heartbeat(&hub);
            if let Some(heartbeat) = heartbeat {
                let node = self.node.clone();
                let handle = async move |server: Arc<Server>| server.heartbeat(&node, heartbeat).await;
                match hub.request(self.site, current, Self::PATIENCE, handle).await {
                    Ok(Ok(reply)) => self.take(&hub, current, sent, reply).await,
                    Ok(Err(refusal)) => {
                        let named = refusal.leader.and_then(|leader| servers.iter().position(|name| *name == leader));
                        current = named.unwrap_or_else(|| chance.below(servers.len()));
                        sleep_until(sent + Self::PAUSE).await;
                        continue;
                    }
                    Err(_) => {
                        current = (current + 1) % servers.len();
                        sleep_until(sent + Self::PAUSE).await;
                        continue;
                    }
                }
            }
            sleep_until(sent + Self::EVERY).await;
        }
    }

    /// What it says now; nothing while its machine is off.
    fn heartbeat(&self, hub: &Hub) -> Option<Heartbeat> {
        let now = hub.trace.elapsed();
        let machine = &mut *self.machine();
        if machine.is_off {
            return None;
        }
        machine.pass_system(now);
        if machine.system.is_restarting() {
            return None;
        }
        let may_fenced = machine.fence.is_some_and(|fence| Instant::now() < fence);
        for process in machine.processes.values_mut() {
            process.pass(may_fenced || !process.is_singleton, now);
        }
        Some(Heartbeat {
            address: format!("{}.example", self.node),
            api: format!("http://{}.example:1", self.node),
            cache: None,
            capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(8 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: machine.number(),
            replicas: machine.processes.iter().map(|(replica, process)| process.report(replica, now)).collect(),
            endpoints: BTreeMap::new(),
            message: None,
            drift: Vec::new(),
            system: Some(machine.system.report()),
            leaving: false,
            number: 0,
            started: machine.starts,
        })
    }

    /// Takes up an answer to the heartbeat that was sent at `sent`, and the generation that it speaks of. Only with that
    /// taken up, what is promised counts: else it would be for a singleton that is another node's by now.
    async fn take(&self, hub: &Arc<Hub>, server: usize, sent: Instant, reply: Reply) {
        if reply.generation > self.generation() {
            let node = self.node.clone();
            let handle = async move |server: Arc<Server>| server.plan(&node).await;
            if let Ok(Ok(Some(generation))) = hub.request(self.site, server, Self::PATIENCE, handle).await {
                hub.check(generations::NAME, generations::offered(&self.node, self.generation(), generation.number));
                self.take_up(hub, generation);
            }
        }
        if self.machine().lacks_secrets() {
            let node = self.node.clone();
            let handle = async move |server: Arc<Server>| server.secrets(&node).await;
            if let Ok(Ok(secrets)) = hub.request(self.site, server, Self::PATIENCE, handle).await {
                self.machine().secrets = secrets;
            }
        }
        let now = hub.trace.elapsed();
        let mut machine = self.machine();
        machine.contact.extend(server, now);
        if !machine.is_up() {
            return;
        }
        machine.make_true(now);
        if let Some(fence) = reply.fence
            && machine.number() >= reply.generation
        {
            machine.fence = machine.fence.max(Some(sent + fence));
            // What runs once has waited for that.
            machine.make_true(now);
        }
    }

    fn take_up(&self, hub: &Hub, generation: Generation) {
        let mut machine = self.machine();
        if machine.is_up() && generation.number > machine.number() {
            hub.trace.note(format!("{} takes up generation {}", self.node, generation.number));
            machine.generation = Some(generation);
            machine.make_true(hub.trace.elapsed());
        }
    }

    fn generation(&self) -> u64 {
        self.machine().number()
    }

    /// Pulls the machine's plug, or puts it in again. What it has on its disk is still there then.
    pub(crate) fn set_off(&self, off: bool, now: u64) {
        let mut machine = self.machine();
        machine.is_off = off;
        machine.stop(now);
        if !off {
            machine.system.wake(now);
            machine.start(now);
        }
    }

    /// What its system is at goes wrong.
    pub(crate) fn break_down(&self, now: u64) {
        self.machine().system.break_down(now);
    }

    /// How its machine stands with its system.
    pub(crate) fn system(&self) -> Standing {
        self.machine().system.standing()
    }

    /// Which server it has been in contact with.
    pub(crate) fn contact(&self) -> Contact {
        self.machine().contact
    }

    /// What ran on its machine when that was restarted for its system, if it was since the last call.
    pub(crate) fn restarted(&self) -> Option<Vec<ReplicaId>> {
        self.machine().restarted.take()
    }

    /// Its processes, and the values of secrets that they were started with, by the numbers of their versions.
    pub(crate) fn values(&self) -> Vec<(ReplicaId, BTreeMap<u64, String>)> {
        let machine = self.machine();
        machine.processes.iter().map(|(replica, process)| (replica.clone(), process.secrets.clone())).collect()
    }

    /// One of its processes ends by itself.
    pub(crate) fn crash_one(&self, chance: &mut Chance, now: u64) {
        let mut machine = self.machine();
        let count = machine.processes.len();
        if count > 0
            && let Some(process) = machine.processes.values_mut().nth(chance.below(count))
        {
            process.crash(now);
        }
    }

    /// The singletons whose process runs on it.
    pub(crate) fn singletons(&self) -> Vec<ReplicaId> {
        let machine = self.machine();
        if machine.fence.is_none_or(|fence| fence <= Instant::now()) {
            return Vec::new();
        }
        let runs = machine.processes.iter().filter(|(_, process)| process.is_singleton && process.is_there());
        runs.map(|(replica, _)| replica.clone()).collect()
    }

    /// The attempts of jobs whose process runs on it.
    pub(crate) fn attempts(&self) -> Vec<ReplicaId> {
        let machine = self.machine();
        let fenced = machine.fence.is_none_or(|fence| fence <= Instant::now());
        let runs = machine.processes.iter().filter(|(_, process)| process.runs_once() && !fenced);
        runs.map(|(replica, _)| replica.clone()).collect()
    }

    /// Its processes: which replica, of which revision, and whether it is well.
    pub(crate) fn processes(&self) -> Vec<(ReplicaId, Revision, bool)> {
        let machine = self.machine();
        let process =
            |(replica, process): (&ReplicaId, &Process)| (replica.clone(), process.revision, process.is_healthy());
        machine.processes.iter().map(process).collect()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    /// The number of the newest generation that it has taken up.
    fn number(&self) -> u64 {
        self.generation.as_ref().map_or(0, |generation| generation.number)
    }

    fn is_up(&self) -> bool {
        !self.is_off && !self.system.is_restarting()
    }

    /// The machine goes down: what its disk does not tell of is gone.
    fn stop(&mut self, now: u64) {
        self.processes.retain(|_, process| process.outlives_power(now));
        self.secrets.clear();
    }

    /// The machine is up again.
    fn start(&mut self, now: u64) {
        self.starts += 1;
        self.fence = None;
        if self.is_up() {
            self.make_true(now);
        }
    }

    /// Lets time pass for its system.
    fn pass_system(&mut self, now: u64) {
        let healthy = self.processes.iter().filter(|(_, process)| process.is_healthy());
        let healthy: BTreeSet<ReplicaId> = healthy.map(|(replica, _)| replica.clone()).collect();
        match self.system.pass(self.generation.as_ref(), &healthy, self.contact.until, now) {
            Power::Stays => {}
            Power::GoesDown => {
                let running = self.processes.iter().filter(|(_, process)| process.is_there());
                self.restarted = Some(running.map(|(replica, _)| replica.clone()).collect());
                self.stop(now);
            }
            Power::ComesBack => self.start(now),
        }
    }

    /// Whether its generation names secrets that it does not have.
    fn lacks_secrets(&self) -> bool {
        let units = self.generation.iter().flat_map(|generation| generation.plan.units.values());
        let mut named = units.flat_map(|planned| planned.unit.secrets.values());
        named.any(|number| !self.secrets.contains_key(number))
    }

    /// Starts what is new, stops what is gone, and replaces what has another revision. What needs a secret waits for it.
    fn make_true(&mut self, now: u64) {
        let Some(Generation { plan, .. }) = &self.generation else { return };
        self.processes.retain(|replica, process| {
            plan.replicas.get(replica).is_some_and(|planned| planned.revision == process.revision)
        });
        let may_fenced = self.fence.is_some_and(|fence| Instant::now() < fence);
        for replica in plan.replicas.keys() {
            let Some(planned) = plan.unit(replica) else { continue };
            if planned.unit.once && !may_fenced {
                continue;
            }
            let own = planned.unit.secrets.values().map(|number| Some((*number, self.secrets.get(number)?.clone())));
            let Some(secrets) = own.collect::<Option<BTreeMap<_, _>>>() else { continue };
            let is_singleton = planned.unit.once || declare::is_singleton(&replica.service);
            let start = || Process::start(&planned.unit, secrets, is_singleton, now);
            self.processes.entry(replica.clone()).or_insert_with(start);
        }
    }
}

impl Contact {
    /// How long it may be from one answer to the next.
    const GAP: u64 = 700;

    /// An answer of `server` has come at `now`.
    fn extend(&mut self, server: usize, now: u64) {
        if self.server != server || now.saturating_sub(self.until) > Self::GAP {
            self.since = now;
        }
        (self.server, self.until) = (server, now);
    }
}
