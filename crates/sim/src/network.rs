use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::chance::Chance;

/// Someone on the network: first the servers, then the agents, then the clients.
pub(crate) type Site = usize;

/// The network between all of them.
#[derive(Debug)]
pub(crate) struct Network(Mutex<State>);

#[derive(Debug)]
struct State {
    chance: Chance,
    /// The shortest time from one site to another, in milliseconds.
    distance: Vec<Vec<u64>>,
    cut: BTreeSet<(Site, Site)>,
    /// Until when each site stands still.
    stalled: Vec<Instant>,
    weather: Weather,
    messages: u64,
    lost: u64,
    duplicated: u64,
}

/// How well messages get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weather {
    /// How many of a thousand are lost.
    pub(crate) loss: u64,
    /// How many of a thousand arrive twice.
    pub(crate) duplicates: u64,
    /// How many of a thousand are late.
    pub(crate) late: u64,
    /// By how much at most, in milliseconds.
    pub(crate) delay: u64,
}

impl Weather {
    /// Nothing is lost, and little is late.
    pub(crate) const FAIR: Self = Self { loss: 0, duplicates: 0, late: 20, delay: 12 };
}

impl Network {
    /// A network of so many sites.
    pub(crate) fn new(mut chance: Chance, sites: usize) -> Self {
        let mut row = || (0..sites).map(|_| chance.within(1..4)).collect();
        let distance = (0..sites).map(|_| row()).collect();
        let stalled = vec![Instant::now(); sites];
        let (weather, cut) = (Weather::FAIR, BTreeSet::new());
        Self(Mutex::new(State { chance, distance, cut, stalled, weather, messages: 0, lost: 0, duplicated: 0 }))
    }

    /// Takes a message from one site to another; whether it arrives.
    pub(crate) async fn carry(&self, from: Site, to: Site) -> bool {
        let Some(delay) = self.lock().depart(from, to) else { return false };
        sleep(delay).await;
        loop {
            let until = {
                let state = self.lock();
                state.stalled[from].max(state.stalled[to])
            };
            if until <= Instant::now() {
                break;
            }
            sleep_until(until).await;
        }
        let mut state = self.lock();
        let arrives = !state.cut.contains(&(from, to));
        state.lost += u64::from(!arrives);
        arrives
    }

    /// Whether the next message arrives twice.
    pub(crate) fn duplicates(&self) -> bool {
        let state = &mut *self.lock();
        let twice = state.chance.happens(state.weather.duplicates);
        state.duplicated += u64::from(twice);
        twice
    }

    /// Lets nothing through from one site to another.
    pub(crate) fn cut(&self, from: Site, to: Site) {
        self.lock().cut.insert((from, to));
    }

    /// Lets everything through again from one site to another.
    pub(crate) fn mend(&self, from: Site, to: Site) {
        self.lock().cut.remove(&(from, to));
    }

    /// Has a site stand still: what it sends and what it is sent waits.
    pub(crate) fn stall(&self, site: Site, time: Duration) {
        self.lock().stalled[site] = Instant::now() + time;
    }

    /// Changes how well messages get through.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// How many messages were sent, lost, and arrived twice.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let state = self.lock();
        [state.messages, state.lost, state.duplicated]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long the message is under way; `None` if it is lost. Each takes its own time, so that one may overtake
    /// another.
    fn depart(&mut self, from: Site, to: Site) -> Option<Duration> {
        self.messages += 1;
        let Weather { loss, late, delay, .. } = self.weather;
        if self.cut.contains(&(from, to)) || self.chance.happens(loss) {
            self.lost += 1;
            return None;
        }
        let more = if self.chance.happens(late) { self.chance.within(1..delay + 1) } else { 0 };
        Some(Duration::from_millis(self.distance[from][to] + more))
    }
}
