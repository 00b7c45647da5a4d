use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Alive, EventKind, Heartbeat};
use icefield_spec::{Millis, Name, Revision};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::MissedTickBehavior;

use crate::blocking::blocking;
use crate::clock::Clock;
use crate::observe::Observations;
use crate::raft::{Group, Leader};
use crate::reconcile::{Config, Reconciler, every, lease, promise};
use crate::{Applied, Command, ProposeError};

/// What this server does and knows while it leads: what it has seen of the nodes, and the loop that decides from it.
pub struct Leading {
    group: Arc<Group>,
    config: Config,
    clock: Clock,
    /// `None` while another server leads.
    seen: Arc<Mutex<Option<Observations>>>,
    /// Rises with what was seen.
    sightings: watch::Sender<u64>,
}

/// What a node may rely on that was just heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// When it is to be heard of again.
    pub every: Millis,
    /// It counts as lost if it is silent for so long.
    pub lease: Millis,
    /// For how long it may run its singletons, if that can be promised.
    pub fence: Option<Millis>,
}

impl Leading {
    /// How often it is looked whether time alone makes anything due.
    const TICK: Duration = Duration::from_millis(100);

    /// What a server of the group does while it leads.
    pub fn new(group: Arc<Group>, config: Config, clock: Clock) -> Self {
        Self { group, config, clock, seen: Arc::default(), sightings: watch::Sender::new(0) }
    }

    /// Takes up what an agent says.
    pub async fn heartbeat(&self, node: &Name, heartbeat: Heartbeat) -> Result<(), ProposeError> {
        let mut seen = self.seen.lock().await;
        let seen = seen.as_mut().ok_or(ProposeError::NotLeader)?;
        seen.heartbeat(node, heartbeat, self.clock.now());
        self.publish(seen);
        Ok(())
    }

    /// Takes up that an agent's last report is still true; `None` if that report is not known, else the services whose
    /// endpoints it knows.
    pub(crate) async fn alive(
        &self,
        node: &Name,
        alive: &Alive,
    ) -> Result<Option<BTreeMap<Name, Option<Revision>>>, ProposeError> {
        let mut seen = self.seen.lock().await;
        let seen = seen.as_mut().ok_or(ProposeError::NotLeader)?;
        let known = seen.alive(node, alive, self.clock.now());
        Ok(seen.sight(node.as_str()).filter(|_| known).map(|sight| sight.endpoints.clone()))
    }

    /// What a node that was just heard of may rely on.
    pub async fn promise(&self, node: &Name) -> Result<Promise, ProposeError> {
        // Most nodes have none, and then nobody needs to be asked.
        let has_singletons = self.group.state().await.has_singletons(node.as_str());
        let confirmed = if has_singletons { self.group.current_state().await.ok() } else { None };
        let mut seen = self.seen.lock().await;
        let seen = seen.as_mut().ok_or(ProposeError::NotLeader)?;
        let now = self.clock.now();
        let fence = confirmed.and_then(|state| promise(&state, seen, &self.config, node, now));
        let (every, lease) = (every(seen, &self.config), lease(seen, &self.config, node.as_str(), now));
        Ok(Promise { every, lease, fence })
    }

    /// Has a look at what was seen.
    pub async fn look<T>(&self, look: impl FnOnce(&Observations) -> T) -> Result<T, ProposeError> {
        self.seen.lock().await.as_ref().map(look).ok_or(ProposeError::NotLeader)
    }

    /// What was seen, for a longer look; nothing new is seen meanwhile.
    pub(crate) async fn hold(&self) -> OwnedMutexGuard<Option<Observations>> {
        Arc::clone(&self.seen).lock_owned().await
    }

    /// Sees that something new was seen.
    pub fn sightings(&self) -> watch::Receiver<u64> {
        self.sightings.subscribe()
    }

    fn publish(&self, seen: &Observations) {
        let index = seen.index();
        self.sightings.send_if_modified(|before| std::mem::replace(before, index) != index);
    }

    /// Leads whenever this server is to; never returns.
    pub async fn run(&self) {
        let mut leader = self.group.leader();
        loop {
            let Ok(now) = leader.wait_for(|leader| matches!(leader, Leader::Me(_))).await.map(|now| now.clone()) else {
                return;
            };
            *self.seen.lock().await = Some(Observations::new(self.clock.now()));
            let mut while_leading = self.group.leader();
            tokio::select! {
                // In this order, so that a simulation comes out the same each time.
                biased;
                _ = while_leading.wait_for(|leader| *leader != now) => {}
                () = self.lead() => {}
            }
            *self.seen.lock().await = None;
        }
    }

    /// Decides and proposes, for one term; returns only when it cannot.
    async fn lead(&self) {
        // What earlier leaders had agreed on must be known before anything is decided.
        while let Err(error) = self.group.current_state().await {
            tracing::debug!(%error, "not yet leading");
            tokio::time::sleep(Self::TICK).await;
        }
        self.announce().await;
        let (mut changes, mut sightings) = (self.group.changes(), self.sightings());
        let mut ticks = tokio::time::interval(Self::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reconciler = Reconciler::new();
        loop {
            changes.borrow_and_update();
            sightings.borrow_and_update();
            let commands;
            (reconciler, commands) = self.decide(reconciler).await;
            // After a refusal, asking again at once would bring the same answer.
            if !commands.is_empty() && self.carry_out(commands).await {
                continue;
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                _ = sightings.changed() => {}
                _ = ticks.tick() => {}
            }
        }
    }

    /// What is to be done now. Deciding may take a while, so it is done where it keeps no other task from running.
    async fn decide(&self, mut reconciler: Reconciler) -> (Reconciler, Vec<Command>) {
        let state = self.group.state().await;
        let mut seen = self.hold().await;
        let (config, now) = (self.config, self.clock.now());
        let decide = move || {
            let commands = seen.as_mut().map(|seen| reconciler.reconcile(&state, seen, &config, now));
            (reconciler, commands.unwrap_or_default(), seen.as_ref().map(Observations::index))
        };
        match blocking(decide).await {
            Ok((reconciler, commands, index)) => {
                if let Some(index) = index {
                    self.sightings.send_if_modified(|before| std::mem::replace(before, index) != index);
                }
                (reconciler, commands)
            }
            Err(error) => {
                tracing::error!(%error, "deciding failed; this is a mistake in icefield");
                (Reconciler::new(), Vec::new())
            }
        }
    }

    /// Proposes the commands in order; whether all were applied.
    async fn carry_out(&self, commands: Vec<Command>) -> bool {
        for command in commands {
            match self.group.propose(command).await {
                Ok(Applied::Done(_) | Applied::Unchanged(_)) => {}
                Ok(refused @ (Applied::Refused(_) | Applied::Outdated(_) | Applied::KeyReused)) => {
                    tracing::debug!(?refused, "a command came too late");
                    return false;
                }
                Err(error) => {
                    tracing::debug!(%error, "a command was not agreed on");
                    return false;
                }
            }
        }
        true
    }

    async fn announce(&self) {
        let name = self.group.name();
        let notes = vec![(EventKind::Leader, format!("server {name}"), format!("{name} leads now"))];
        if let Err(error) = self.group.propose(Command::Note { at: self.clock.now(), notes }).await {
            tracing::debug!(%error, "nobody was told who leads");
        }
    }
}
