use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use icefield_control::raft::seed_elections;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::client::Client;
use crate::declare::Wish;
use crate::faults;
use crate::history::History;
use crate::invariants::{acknowledged, convergence};
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::world::World;

/// How often all is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long it may take, once nothing fails any longer, until all is as it should be.
const BOUND: Duration = Duration::from_secs(60);

/// What a run is like, beyond its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Whether disks have synced what they say that they have.
    pub honest_disks: bool,
    /// Whether a server makes sure that it still leads before it answers a read.
    pub confirmed_reads: bool,
    /// Whether servers wait for as long as they have promised a singleton to its node.
    pub kept_promises: bool,
    /// Whether agents say how far their nodes are with a system, and not that all is well as soon as they begin.
    pub honest_agents: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { honest_disks: true, confirmed_reads: true, kept_promises: true, honest_agents: true }
    }
}

/// Runs what follows from `seed`, on this thread alone.
///
/// # Panics
/// If the system gives no timer to a runtime.
pub fn run(seed: u64, setup: Setup) -> Outcome {
    seed_elections(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime is made");
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(simulate(seed, setup))));
    outcome.unwrap_or_else(|_| Outcome::panicked(seed))
}

async fn simulate(seed: u64, setup: Setup) -> Outcome {
    let mut chance = Chance::new(seed, "run");
    let servers = if chance.happens(300) { 5 } else { 3 };
    let (agents, clients) = (chance.within(3..6) as usize, 2);
    // One client more makes the beginning and the end.
    let world = Arc::new(World::new(seed, setup, [servers, agents, clients + 1]));
    let hub = Arc::clone(&world.hub);
    for server in 0..servers {
        let off = chance.within(0..10_000) as i64;
        world.start(server, world.disk(), off).await;
    }
    for (number, agent) in world.agents.iter().enumerate() {
        let chance = Chance::new(seed, &format!("agent {number}"));
        tokio::spawn(Arc::clone(agent).run(Arc::clone(&hub), Arc::clone(&world.names), chance));
    }
    let history = Arc::new(History::default());
    let wish = Arc::new(Mutex::new((Wish::first(), 0)));
    let client = |number: usize| Client {
        hub: Arc::clone(&hub),
        site: servers + agents + number,
        servers: Arc::clone(&world.names),
        nodes: agents,
        reads: if number == 0 { 970 } else { 200 },
        history: Arc::clone(&history),
        wish: Arc::clone(&wish),
        chance: Chance::new(seed, &format!("client {number}")),
        current: number % servers,
    };
    let mut watch = Watch { world: &world, history: &history, observer: Observer::default() };
    watch.until_done(vec![tokio::spawn(client(clients).settle())], Some(BOUND)).await;
    let time = Duration::from_millis(chance.within(3_000..9_000));
    let (over, failing) = (Arc::new(AtomicBool::new(false)), Arc::clone(&world));
    let (ends, faults) = (Arc::clone(&over), Chance::new(seed, "faults"));
    let mut tasks = vec![tokio::spawn(async move {
        faults::run(failing, faults, time).await;
        ends.store(true, Ordering::Relaxed);
    })];
    tasks.extend((0..clients).map(|number| tokio::spawn(client(number).run(Arc::clone(&over)))));
    watch.until_done(tasks, None).await;
    let healed = Instant::now();
    watch.until_done(vec![tokio::spawn(client(clients).settle())], Some(BOUND)).await;
    watch.until_converged(healed + BOUND).await;
    let newest = watch.observer.newest().cloned().unwrap_or_default();
    hub.check(acknowledged::NAME, history.check_last(&newest));

    let (acknowledged, reads) = history.counts();
    let [messages, ..] = hub.network.counts();
    Outcome {
        seed,
        trace: hub.trace.hash(),
        failure: hub.failure(),
        last: hub.trace.last(),
        virtual_ms: hub.trace.elapsed(),
        commits: newest.version,
        messages,
        acknowledged: acknowledged as u64,
        reads: reads as u64,
        faults: hub.faults(),
    }
}

/// Lets time pass and looks at all meanwhile, until something is not as it must be.
struct Watch<'w> {
    world: &'w World,
    history: &'w History,
    observer: Observer,
}

impl Watch<'_> {
    /// Until all `tasks` are done, which may take so long.
    async fn until_done(&mut self, tasks: Vec<JoinHandle<()>>, bound: Option<Duration>) {
        let until = bound.map(|bound| Instant::now() + bound);
        while !tasks.iter().all(JoinHandle::is_finished) && self.step().await {
            if until.is_some_and(|until| until <= Instant::now()) {
                self.world.hub.fail(convergence::NAME, "the servers agree on nothing");
            }
        }
        for task in tasks {
            if task.is_finished() && task.await.is_err() {
                self.world.hub.fail("the simulation runs", "a part of it has panicked");
            }
        }
    }

    /// Until all is as it should be, which must be so by `until`.
    async fn until_converged(&mut self, until: Instant) {
        while self.step().await {
            match self.observer.converged(self.world).await {
                Ok(()) => return,
                Err(reason) if until <= Instant::now() => self.world.hub.fail(convergence::NAME, reason),
                Err(_) => {}
            }
        }
    }

    /// A moment passes; whether all is still as it must be.
    async fn step(&mut self) -> bool {
        sleep(LOOK).await;
        self.observer.look(self.world, self.history).await;
        self.world.hub.failure().is_none()
    }
}
