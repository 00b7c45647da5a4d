//! What goes wrong, and when: it follows from the seed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use crate::chance::Chance;
use crate::network::{Site, Weather};
use crate::world::World;

/// Something that goes wrong for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A server crashes; when it starts again, its clock is off by so many milliseconds.
    Crash(usize, i64),
    /// All servers crash together.
    Blackout,
    /// These are cut off from all others.
    Partition(Vec<Site>),
    /// What one sends to the other is lost.
    OneWay(Site, Site),
    /// A site stands still.
    Stall(Site),
    /// A server's disk is nearly full.
    FullDisk(usize),
    /// A machine that has an agent loses power.
    PowerCut(usize),
    /// A replica's process ends by itself.
    ProcessCrash(usize),
    /// What a machine is at with its system goes wrong.
    Breakdown(usize),
    /// Messages are lost, late, and arrive twice.
    Storm(Weather),
}

impl Fault {
    /// A fault, and how long it lasts, in milliseconds.
    fn draw(chance: &mut Chance, world: &World) -> (Self, u64) {
        let (servers, agents, sites) = (world.servers, world.agents.len(), world.sites);
        match chance.below(22) {
            0..5 => {
                let minutes = 5 * 60_000;
                let jump = chance.within(0..2 * minutes) as i64 - minutes as i64;
                (Self::Crash(chance.below(servers), jump), chance.within(50..3_000))
            }
            5 => (Self::Blackout, chance.within(50..2_000)),
            6..10 => {
                let side = (0..sites).filter(|_| chance.happens(400)).collect();
                (Self::Partition(side), chance.within(200..6_000))
            }
            10..12 => (Self::OneWay(chance.below(sites), chance.below(servers)), chance.within(200..4_000)),
            12..14 => (Self::Stall(chance.below(sites)), chance.within(100..2_500)),
            14 => (Self::FullDisk(chance.below(servers)), chance.within(300..2_000)),
            15..17 => (Self::PowerCut(chance.below(agents)), chance.within(500..4_000)),
            17 => (Self::ProcessCrash(chance.below(agents)), 1),
            18..20 => (Self::Breakdown(chance.below(agents)), 1),
            _ => {
                let weather = Weather {
                    loss: chance.within(0..200),
                    duplicates: chance.within(0..300),
                    late: chance.within(0..500),
                    delay: chance.within(5..300),
                };
                (Self::Storm(weather), chance.within(500..4_000))
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Crash(..) => "server crash",
            Self::Blackout => "blackout",
            Self::Partition(_) => "partition",
            Self::OneWay(..) => "one-way partition",
            Self::Stall(_) => "stall",
            Self::FullDisk(_) => "full disk",
            Self::PowerCut(_) => "node power cut",
            Self::ProcessCrash(_) => "process crash",
            Self::Breakdown(_) => "system breakdown",
            Self::Storm(_) => "storm",
        }
    }
}

/// Has things go wrong for `time`; when this returns, all is mended.
pub(crate) async fn run(world: Arc<World>, mut chance: Chance, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    let count = chance.within(3..12);
    let mut going = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (fault, lasts) = Fault::draw(&mut chance, &world);
        let (begins, lasts) =
            (Duration::from_millis(chance.within(0..time.as_millis() as u64)), Duration::from_millis(lasts));
        let world = Arc::clone(&world);
        let seed = chance.seed();
        going.spawn(async move {
            sleep(begins).await;
            make(&world, fault, lasts, Chance::new(seed, "fault")).await;
        });
    }
    while going.join_next().await.is_some() {}
    sleep_until(end).await;
    world.hub.trace.note("all faults are over");
}

async fn make(world: &Arc<World>, fault: Fault, lasts: Duration, mut chance: Chance) {
    let (hub, kind) = (&world.hub, fault.kind());
    let said = format!("{fault:?} for {lasts:?}");
    match fault {
        Fault::Crash(server, jump) => {
            if let Some(disk) = world.crash(server, &mut chance) {
                hub.fault(kind, said);
                sleep(lasts).await;
                world.start(server, disk, jump).await;
            }
        }
        Fault::Blackout => {
            let crashed: Vec<_> =
                (0..world.servers).filter_map(|server| Some((server, world.crash(server, &mut chance)?))).collect();
            hub.fault(kind, said);
            sleep(lasts).await;
            for (server, disk) in crashed {
                world.start(server, disk, 0).await;
            }
        }
        Fault::Partition(side) => {
            hub.fault(kind, said);
            let others: Vec<Site> = (0..world.sites).filter(|site| !side.contains(site)).collect();
            let pairs = || side.iter().flat_map(|one| others.iter().map(|other| (*one, *other)));
            pairs().for_each(|(one, other)| {
                hub.network.cut(one, other);
                hub.network.cut(other, one);
            });
            sleep(lasts).await;
            pairs().for_each(|(one, other)| {
                hub.network.mend(one, other);
                hub.network.mend(other, one);
            });
        }
        Fault::OneWay(from, to) => {
            hub.fault(kind, said);
            hub.network.cut(from, to);
            sleep(lasts).await;
            hub.network.mend(from, to);
        }
        Fault::Stall(site) => {
            hub.fault(kind, said);
            hub.network.stall(site, lasts);
            sleep(lasts).await;
        }
        Fault::FullDisk(server) => {
            if let Some(server) = hub.server(server) {
                hub.fault(kind, said);
                server.disk.set_full(true);
                sleep(lasts).await;
                server.disk.set_full(false);
            }
        }
        Fault::PowerCut(agent) => {
            hub.fault(kind, said);
            world.agents[agent].set_off(true, hub.trace.elapsed());
            sleep(lasts).await;
            world.agents[agent].set_off(false, hub.trace.elapsed());
        }
        Fault::ProcessCrash(agent) => {
            hub.fault(kind, said);
            world.agents[agent].crash_one(&mut chance, hub.trace.elapsed());
        }
        Fault::Breakdown(agent) => {
            hub.fault(kind, said);
            world.agents[agent].break_down(hub.trace.elapsed());
        }
        Fault::Storm(weather) => {
            hub.fault(kind, said);
            hub.network.set_weather(weather);
            sleep(lasts).await;
            hub.network.set_weather(Weather::FAIR);
        }
    }
}
