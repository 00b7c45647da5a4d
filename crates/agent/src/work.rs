mod contact;
mod files;
mod runs;
mod system;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use icefield_api::{IdentityFolder, Keeper, NodeSecrets, SystemReport};
use icefield_plan::{Generation, ReplicaId};
use icefield_spec::{Health, StorePath};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::runs::unmount;
use crate::activation::{Activation, Given};
use crate::adopt::{Adopted, adopt};
use crate::alarm::Alarm;
use crate::cgroup::Groups;
use crate::closures::{Closures, Fetched};
use crate::core::{Action, Answer, Event, Found, Local, Moment, Wanted, decide};
use crate::discovery::Discovery;
use crate::driver::NotStarted;
use crate::endpoints::{EndpointFiles, used};
use crate::follow::Follow;
use crate::generation::{Kept, Offer};
use crate::heartbeat::{Reply, Report};
use crate::launch::Launcher;
use crate::past_generations::PastGenerations;
use crate::reload::Reloads;
use crate::run::{Run, RunNews};
use crate::secrets::{FetchSecrets, SecretStore};
use crate::servers::Servers;
use crate::shutdown::Shutdown;
use crate::systemd::Drift;
use crate::wall_clock::since_1970;
use crate::{AgentConfig, api, private};

/// The agent's loop: hears what happens, lets `core` decide, and has it carried out.
pub(crate) struct Work {
    config: AgentConfig,
    launcher: Launcher,
    kept: Kept,
    local: Local,
    runs: BTreeMap<ReplicaId, Run>,
    endpoints: EndpointFiles,
    secrets: SecretStore,
    closures: Closures,
    past: PastGenerations,
    /// The closures that are missing.
    unfetched: watch::Sender<BTreeSet<StorePath>>,
    /// The versions of secrets that are missing.
    missing: watch::Sender<BTreeSet<u64>>,
    reloads: Reloads,
    /// What of the units on this machine was not as it is to be.
    drift: Drift,
    /// What follows the endpoints of all services, if DNS is answered.
    discovery: Option<Discovery>,
    /// What brings the node to its NixOS system, if this agent does that.
    activation: Option<Activation>,
    /// What that goes by.
    given: watch::Sender<Given>,
    /// What that says.
    system: Option<watch::Receiver<SystemReport>>,
    /// When a server was last heard of, by [`boottime`].
    contact: watch::Sender<u64>,
    /// What there is to say of the node itself.
    complaint: Option<String>,
    stopping: bool,
    last_run: u64,
    /// Until when singletons may run, by [`boottime`].
    fence: u64,
    beginning: Instant,
    /// When that was, in milliseconds since 1970.
    started: u64,
    tasks: JoinSet<()>,
    news: mpsc::UnboundedSender<RunNews>,
    answers: mpsc::UnboundedSender<Answered>,
    inbox: Inbox,
}

/// Where an agent listens.
pub(crate) struct Listeners {
    /// For its own API.
    pub(crate) listener: TcpListener,
    pub(crate) api: SocketAddr,
    /// For other nodes that get closures from here.
    pub(crate) cache: Option<TcpListener>,
}

/// What wakes an agent that has nothing else to do.
pub(crate) struct Alarms {
    pub(crate) work: Alarm,
    pub(crate) heartbeats: Alarm,
}

/// What comes in from the tasks that the loop has started.
struct Inbox {
    news: mpsc::UnboundedReceiver<RunNews>,
    answers: mpsc::UnboundedReceiver<Answered>,
}

/// The answer of a health check to the question that was put to the run with the number `run`.
struct Answered {
    id: ReplicaId,
    run: u64,
    answer: Answer,
    health: Health,
}

impl Work {
    pub(crate) fn new(
        config: AgentConfig,
        launcher: Launcher,
        kept: Kept,
        complaint: Option<String>,
        discovery: Option<Discovery>,
        activation: Option<Activation>,
    ) -> Self {
        if let Some(complaint) = &complaint {
            tracing::warn!("{complaint}; a server is asked for the generation");
        }
        if let Some(missing) = launcher.groups.missing() {
            tracing::warn!("{missing}");
        }
        let (news, news_inbox) = mpsc::unbounded_channel();
        let (answers, answers_inbox) = mpsc::unbounded_channel();
        Self {
            local: Local::new(config.timings.clone()),
            endpoints: EndpointFiles::new(launcher.home.clone()),
            secrets: SecretStore::default(),
            closures: Closures::new(launcher.home.closures()),
            past: PastGenerations::open(launcher.home.generations()),
            unfetched: watch::Sender::new(BTreeSet::new()),
            missing: watch::Sender::new(BTreeSet::new()),
            reloads: Reloads::default(),
            drift: Drift::default(),
            discovery,
            activation,
            given: watch::Sender::default(),
            system: None,
            contact: watch::Sender::new(0),
            config,
            launcher,
            kept,
            runs: BTreeMap::new(),
            complaint,
            stopping: false,
            last_run: 0,
            fence: 0,
            beginning: Instant::now(),
            started: since_1970(),
            tasks: JoinSet::new(),
            news,
            answers,
            inbox: Inbox { news: news_inbox, answers: answers_inbox },
        }
    }

    /// Takes over what an earlier agent left.
    pub(crate) async fn adopt(&mut self) -> io::Result<()> {
        for (id, home) in self.launcher.home.known_replicas()? {
            let Adopted { found, order, running } = adopt(&id, &home).await;
            let starts = matches!(found, Found::Starting { .. });
            self.local.find(id.clone(), found, self.now());
            let Some(order) = order else { continue };
            self.last_run = self.last_run.max(order.run);
            if running.is_none() && !starts {
                unmount(&self.mounter(), &order).await;
            }
            let mut run = Run::new(Arc::new(order), home);
            if let Some((process, watch)) = running {
                tracing::info!(replica = %id, pid = process.pid(), "taken over");
                run.marked = self.local.is_healthy(&id);
                run.process = Some(process.clone());
                self.watch(&run, process, watch);
            } else if starts {
                self.go_on(&run);
            }
            self.runs.insert(id, run);
        }
        Ok(())
    }

    /// Runs until it is told to end.
    pub(crate) async fn run(
        mut self,
        listeners: Listeners,
        mut alarms: Alarms,
        mut asked: oneshot::Receiver<Shutdown>,
    ) {
        let Listeners { listener, api, cache } = listeners;
        let keyring = self.config.keyring.clone();
        let servers = Servers::new(&self.config.servers, keyring.as_ref());
        let (report, reports) = watch::channel(Report::default());
        let (own, own_number) = watch::channel(self.kept.number());
        let (newest, newest_number) = watch::channel(0);
        let (told_mark, mark) = watch::channel(None);
        let (replies, mut replies_inbox) = mpsc::unbounded_channel::<Reply>();
        let (offers, mut offers_inbox) = mpsc::unbounded_channel::<Generation>();
        let (given, mut given_inbox) = mpsc::unbounded_channel::<NodeSecrets>();
        let (fetched, mut fetched_inbox) = mpsc::unbounded_channel::<Fetched>();

        self.settle();
        // An earlier agent may not have come to it.
        self.reloads.look(self.now() + self.config.timings.files_apart);
        let mut next = self.act();
        let mut contact = JoinSet::new();
        let exchange = self.exchange(servers.clone());
        self.activate(exchange.clone(), &mut contact);
        let mut system = self.system.clone();
        self.tell(&report);
        let client_of_keeper = servers.client().clone();
        let at = |listener: &TcpListener| listener.local_addr().ok();
        let cache_address = cache.as_ref().and_then(at);
        let heartbeats = self.heartbeats(servers.clone(), api, cache_address);
        let farewell = self.heartbeats(servers.clone(), api, cache_address);
        let fetch = FetchSecrets {
            servers: servers.clone(),
            node: self.config.node.clone(),
            retry: self.config.timings.retry,
            missing: self.missing.subscribe(),
        };
        let discovery = self.discovery.take().map(|discovery| discovery.run(servers.clone()));
        let follow = Follow {
            servers,
            node: self.config.node.clone(),
            timings: self.config.timings.clone(),
            own: own_number,
            newest: newest_number,
        };
        let home = self.launcher.home.clone();
        let system_config = self.config.system.clone();
        if let Some(keyring) = keyring.clone() {
            let folder = IdentityFolder::new(home.root());
            let client = client_of_keeper;
            contact.spawn(Keeper { keyring, folder, client, mark }.run());
        }
        contact.spawn(heartbeats.run(alarms.heartbeats, reports, replies));
        contact.spawn(follow.run(offers));
        contact.spawn(fetch.run(given));
        if let (Some(exchange), Some(cache)) = (&exchange, cache) {
            contact.spawn(Arc::clone(exchange).serve(cache, self.config.nix.clone()));
        }
        contact.spawn(self.fetch_closures(exchange).run(fetched));
        if let Some(discovery) = discovery {
            contact.spawn(discovery);
        }
        contact.spawn(async move {
            if let Err(error) = api::serve(listener, keyring, api::router(home, system_config)).await {
                tracing::error!(%error, "logs cannot be read any more");
            }
        });

        while !(self.stopping && self.local.is_quiet()) {
            tokio::select! {
                Some(news) = self.inbox.news.recv() => self.hear(news),
                Some(answered) = self.inbox.answers.recv() => self.hear_answer(answered),
                Some(Reply { reply, sent }) = replies_inbox.recv() => {
                    if let Some(fence) = reply.fence {
                        self.put_off(sent.saturating_add(fence.get()));
                    }
                    newest.send_if_modified(|newest| std::mem::replace(newest, reply.generation) != reply.generation);
                    told_mark.send_if_modified(|mark| std::mem::replace(mark, reply.trust) != reply.trust);
                    if !reply.endpoints.is_empty() {
                        self.endpoints.told(reply.endpoints);
                        self.look_for_what_is_missing();
                        self.reloads.look(self.now() + self.config.timings.files_apart);
                    }
                }
                Some(secrets) = given_inbox.recv() => {
                    self.secrets.take(secrets);
                    self.look_for_what_is_missing();
                    self.reloads.look(self.now() + self.config.timings.files_apart);
                }
                Some(fetched) = fetched_inbox.recv() => {
                    self.closures.take(fetched);
                    self.look_for_what_is_missing();
                    // It may be wanted no longer.
                    self.let_go_of_closures();
                }
                Some(generation) = offers_inbox.recv() => {
                    self.consider(generation);
                    own.send_if_modified(|own| std::mem::replace(own, self.kept.number()) != self.kept.number());
                }
                // A sender that is gone is an agent that was dropped, and its end comes with the next pause.
                () = changed(&mut system) => {}
                how = &mut asked, if !self.stopping => match how {
                    Ok(Shutdown::Stop) => self.stopping = true,
                    Ok(Shutdown::Leave) | Err(_) => return,
                },
                () = alarms.work.at(next.unwrap_or_else(far)), if next.is_some() => {}
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => continue,
            }
            self.reload();
            self.look_at_units();
            next = self.act();
            self.tell(&report);
        }
        contact.shutdown().await;
        self.tell(&report);
        let last = report.borrow().clone();
        farewell.leave(&last).await;
        for run in self.runs.values() {
            Groups::remove(&run.order.groups);
            if let Some(units) = &run.order.units {
                units.withdraw();
            }
        }
        private::clear(&self.launcher.home);
    }

    fn now(&self) -> Moment {
        self.beginning.elapsed()
    }

    /// Goes by a generation that a server offers, if it is to be gone by.
    fn consider(&mut self, generation: Generation) {
        let complaint = match self.kept.offer(generation) {
            Ok(Offer::Taken) => {
                tracing::info!(generation = self.kept.number(), "taken up");
                if let Some(newest) = self.kept.newest() {
                    self.past.keep(newest);
                }
                self.settle();
                None
            }
            Ok(Offer::Known) => None,
            Ok(Offer::Refused(why)) => Some(why),
            Err(error) => Some(format!("a new generation is not taken up: {error}")),
        };
        if let Some(complaint) = complaint.as_ref().filter(|complaint| self.complaint.as_ref() != Some(complaint)) {
            tracing::warn!("{complaint}");
        }
        self.complaint = complaint;
    }

    /// Prepares what the replicas of the newest generation find when they start.
    fn settle(&mut self) {
        if let Some(generation) = self.kept.newest() {
            self.endpoints.use_only(&used(&generation.plan));
            self.look_for_what_is_missing();
            self.let_go_of_closures();
        }
    }

    /// Decides and has it carried out, until nothing is to be done now; when to look again.
    fn act(&mut self) -> Option<Instant> {
        loop {
            let now = self.now();
            let wanted = match self.kept.newest() {
                _ if self.stopping => Wanted::Quiet,
                Some(generation) => Wanted::Plan(&generation.plan),
                None => Wanted::Unknown,
            };
            let (actions, next) = decide(wanted, &mut self.local, now);
            if actions.is_empty() {
                let next = [next, self.reloads.next(), self.drift.next()].into_iter().flatten().min();
                return next.map(|next| self.beginning + next);
            }
            for action in actions {
                self.carry_out(action);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Start { id, incarnation } => {
                if let Err(NotStarted { message, retry }) = self.start(&id, incarnation) {
                    tracing::warn!(replica = %id, "not started: {message}");
                    self.local.note(&id, Event::NotStarted { message, retry }, self.now());
                }
            }
            Action::Stop { id } => {
                if let Some(run) = self.runs.get(&id) {
                    tracing::info!(replica = %id, "stopping");
                    run.terminate();
                }
            }
            Action::Kill { id } => {
                if let Some(run) = self.runs.get_mut(&id) {
                    tracing::warn!(replica = %id, "killed, because it did not end in the time it was given");
                    run.kill();
                }
            }
            Action::Probe { id, health } => self.probe(id, health),
            Action::Remove { id } => {
                let run = self.runs.remove(&id);
                self.launcher.remove(&id, run.as_ref().map(|run| &*run.order));
                self.let_go_of_closures();
            }
        }
    }
}

/// Returns when there is something else to say of the node's system.
async fn changed(system: &mut Option<watch::Receiver<SystemReport>>) {
    if let Some(system) = system
        && system.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Never, as far as a select goes that is not to wait for it.
fn far() -> Instant {
    Instant::now() + std::time::Duration::from_secs(3600)
}
