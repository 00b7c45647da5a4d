use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::blocking::blocking;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::leading::Leading;
use crate::raft::{Group, Leader};
use crate::reconcile::Config;
use crate::view;

/// Keeps the catalog of endpoints while this server leads and anybody watches it.
pub(crate) struct Cataloguer {
    group: Arc<Group>,
    leading: Arc<Leading>,
    config: Config,
    clock: Clock,
    /// `None` while another server leads, and as long as nobody has asked.
    catalog: watch::Sender<Option<Arc<Catalog>>>,
    /// When the catalog was last asked for.
    asked: watch::Sender<Option<Instant>>,
}

impl Cataloguer {
    /// The least time from one look to the next: what changes within it is told together.
    const APART: Duration = Duration::from_millis(10);
    /// How much of the time looking may take, as a divisor.
    const SHARE: u32 = 4;
    /// The most answers a second that changes of endpoints may cause: with more who watch, changes are told less often.
    const ANSWERS: u32 = 20_000;
    /// For how long the catalog is kept up to date after it was last asked for.
    const WANTED: Duration = Duration::from_secs(120);

    pub(crate) fn new(group: Arc<Group>, leading: Arc<Leading>, config: Config, clock: Clock) -> Self {
        let (catalog, asked) = (watch::Sender::new(None), watch::Sender::new(None));
        Self { group, leading, config, clock, catalog, asked }
    }

    /// The catalog and its changes; from now on it is kept.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<Catalog>>> {
        self.asked.send_replace(Some(Instant::now()));
        self.catalog.subscribe()
    }

    /// Keeps it whenever this server leads; never returns.
    pub(crate) async fn run(&self) {
        let mut leader = self.group.leader();
        loop {
            let now = match leader.wait_for(|leader| matches!(leader, Leader::Me(_))).await {
                Ok(leader) => leader.clone(),
                Err(_) => return,
            };
            let Leader::Me(term) = now else { continue };
            let mut while_leading = self.group.leader();
            tokio::select! {
                _ = while_leading.wait_for(|leader| *leader != now) => {}
                () = self.keep(term) => {}
            }
            self.catalog.send_replace(None);
        }
    }

    async fn keep(&self, term: u64) {
        let mut catalog = Catalog::new(term);
        let mut asked = self.asked.subscribe();
        let (mut changes, mut sightings) = (self.group.changes(), self.leading.sightings());
        self.hear().await;
        loop {
            let is_wanted = |asked: &Option<Instant>| asked.is_some_and(|asked| asked.elapsed() < Self::WANTED);
            if !is_wanted(&asked.borrow_and_update()) {
                self.catalog.send_replace(None);
                if asked.wait_for(is_wanted).await.is_err() {
                    return;
                }
            }
            changes.borrow_and_update();
            sightings.borrow_and_update();
            let began = Instant::now();
            let (next, changed) = self.look(catalog).await;
            catalog = next;
            if changed || self.catalog.borrow().is_none() {
                self.catalog.send_replace(Some(Arc::new(catalog.clone())));
            }
            let watching = u32::try_from(self.catalog.receiver_count()).unwrap_or(u32::MAX);
            let answers = Duration::from_secs(1).saturating_mul(watching) / Self::ANSWERS;
            tokio::time::sleep((began.elapsed() * Self::SHARE).max(answers).max(Self::APART)).await;
            tokio::select! {
                _ = changes.changed() => {}
                _ = sightings.changed() => {}
                () = tokio::time::sleep(Self::WANTED) => {}
            }
        }
    }

    /// Waits until every node that is there was heard of, or had its time to be: a new leader takes what it does not know
    /// for served, and that would be told at once.
    async fn hear(&self) {
        let until = Instant::now() + self.config.heartbeat.duration() * 2;
        let mut sightings = self.leading.sightings();
        loop {
            sightings.borrow_and_update();
            let agreed = self.group.current_state().await;
            if let Ok(state) = agreed
                && self.leading.look(|seen| view::is_heard_of(&state, seen)).await.unwrap_or(false)
            {
                return;
            }
            tokio::select! {
                _ = sightings.changed() => {}
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    /// Brings the catalog up to date; whether that changed it.
    async fn look(&self, catalog: Catalog) -> (Catalog, bool) {
        let state = self.group.state().await;
        let seen = self.leading.hold().await;
        let (before, now) = (catalog.clone(), self.clock.now());
        let update = move || {
            let mut catalog = catalog;
            let Some(seen) = seen.as_ref() else { return (catalog, false) };
            let current = view::all_endpoints(&state, seen);
            let cluster = state.spec.as_ref().map(|spec| &spec.cluster);
            let changed = catalog.update(cluster, current, now);
            (catalog, changed)
        };
        match blocking(update).await {
            Ok(updated) => updated,
            Err(error) => {
                tracing::error!(%error, "the endpoints cannot be told; this is a mistake in icefield");
                (before, false)
            }
        }
    }
}
