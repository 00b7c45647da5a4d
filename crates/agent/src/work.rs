mod files;
mod system;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use icefield_api::{IdentityFolder, Keeper, NodeSecrets, SystemReport};
use icefield_plan::{Generation, ReplicaId};
use icefield_spec::{Health, Probe, StorePath};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::activation::{Activation, Given};
use crate::adopt::{Adopted, adopt};
use crate::cgroup::Groups;
use crate::closures::{Closures, FetchClosures, Fetched};
use crate::core::{Action, Answer, Event, Incarnation, Local, Moment, Wanted, decide};
use crate::discovery::Discovery;
use crate::driver::NotStarted;
use crate::endpoints::{EndpointFiles, used};
use crate::exchange::Exchange;
use crate::follow::Follow;
use crate::generation::{Kept, Offer};
use crate::heartbeat::{Heartbeats, Reply, Report};
use crate::launch::{Launcher, Turn, Watch, conclude, launch};
use crate::mounts::Mounter;
use crate::probe::{self, Asked};
use crate::process::Process;
use crate::reload::Reloads;
use crate::run::{News, Run, RunNews};
use crate::secrets::{FetchSecrets, SecretStore};
use crate::servers::Servers;
use crate::shim::RunOrder;
use crate::shutdown::Shutdown;
use crate::systemd::Drift;
use crate::{AgentConfig, api, boottime, past_generations, private};

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
            self.local.find(id.clone(), found, self.now());
            let Some(order) = order else { continue };
            self.last_run = self.last_run.max(order.run);
            if running.is_none() {
                unmount(&self.mounter(), &order).await;
            }
            let mut run = Run::new(order, home);
            if let Some((process, watch)) = running {
                tracing::info!(replica = %id, pid = process.pid, "taken over");
                run.marked = self.local.is_healthy(&id);
                run.process = Some(process.clone());
                self.watch(&run, process, watch);
            }
            self.runs.insert(id, run);
        }
        Ok(())
    }

    /// Runs until it is told to end.
    pub(crate) async fn run(mut self, listeners: Listeners, mut asked: oneshot::Receiver<Shutdown>) {
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
        self.activate(&mut contact);
        let mut system = self.system.clone();
        self.tell(&report);
        let client_of_keeper = servers.client().clone();
        let at = |listener: &TcpListener| listener.local_addr().ok();
        let cache_address = cache.as_ref().and_then(at);
        let heartbeats = self.heartbeats(servers.clone(), api, cache_address);
        let farewell = self.heartbeats(servers.clone(), api, cache_address);
        let exchange = self.exchange(servers.clone());
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
        contact.spawn(heartbeats.run(reports, replies));
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
                () = sleep_until(next.unwrap_or_else(far)), if next.is_some() => {}
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
                units.remove();
                units.manager.reload_soon();
            }
        }
        private::clear(&self.launcher.home);
    }

    fn now(&self) -> Moment {
        self.beginning.elapsed()
    }

    fn heartbeats(&self, servers: Servers, api: SocketAddr, cache: Option<SocketAddr>) -> Heartbeats {
        let url = |at: SocketAddr| format!("{}://{at}", if self.config.keyring.is_some() { "https" } else { "http" });
        Heartbeats {
            servers,
            node: self.config.node.clone(),
            address: self.config.address.clone(),
            api: url(api),
            cache: cache.map(url),
            capacity: self.config.capacity,
            drivers: self.launcher.drivers.kinds(),
            timings: self.config.timings.clone(),
            beginning: self.beginning,
            started: self.started,
            contact: self.contact.clone(),
        }
    }

    /// What exchanges closures with other nodes, if this one does.
    fn exchange(&self, servers: Servers) -> Option<Arc<Exchange>> {
        let (node, sources) = (self.config.node.clone(), self.config.sources.clone());
        let (keyring, folder) = (self.config.keyring.clone(), self.launcher.home.fetching());
        let config = self.config.exchange.as_ref()?;
        Some(Exchange::new(node, servers, sources, keyring, config, folder))
    }

    fn fetch_closures(&self, exchange: Option<Arc<Exchange>>) -> FetchClosures {
        FetchClosures {
            exchange,
            nix: self.config.nix.clone(),
            sources: self.config.sources.clone(),
            folder: self.launcher.home.closures(),
            retry: self.config.timings.retry,
            missing: self.unfetched.subscribe(),
        }
    }

    /// Goes by a generation that a server offers, if it is to be gone by.
    fn consider(&mut self, generation: Generation) {
        let complaint = match self.kept.offer(generation) {
            Ok(Offer::Taken) => {
                tracing::info!(generation = self.kept.number(), "taken up");
                if let Some(newest) = self.kept.newest() {
                    past_generations::keep(&self.launcher.home.generations(), newest);
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
                self.launcher.remove(&id, run.as_ref().map(|run| &run.order));
                self.let_go_of_closures();
            }
        }
    }

    fn start(&mut self, id: &ReplicaId, incarnation: Incarnation) -> Result<(), NotStarted> {
        let plan = &self.kept.newest().ok_or_else(|| NotStarted::for_now("there is no plan"))?.plan;
        // Numbered by the clock, so that no run of an earlier agent has the same number, though its record is lost.
        self.last_run = since_1970().max(self.last_run + 1);
        let turn = Turn { run: self.last_run, restarts: self.local.restarts(id), fence: self.fence };
        let order = self.launcher.prepare(plan, id, incarnation, &self.secrets, turn)?;
        let home = self.launcher.home.replica(id);
        let run = Run::new(order.clone(), home.clone());
        let before = self.runs.insert(id.clone(), run).and_then(|before| before.order.units);
        let (id, shim, news) = (id.clone(), self.config.shim_command.clone(), self.news.clone());
        let mounter = self.mounter();
        self.tasks.spawn(async move {
            let run = order.run;
            // Without a loop to hear of it, the agent has ended.
            let tell = |what: News| drop(news.send(RunNews { id: id.clone(), run, news: what }));
            if let Err(message) = mounter.mount(&order.mounts).await {
                unmount(&mounter, &order).await;
                return tell(News::NotLaunched(NotStarted::for_now(message)));
            }
            match launch(&home, &order, before.as_ref(), &shim).await {
                Ok((process, mut watch)) => {
                    tell(News::Launched(process.clone()));
                    let outcome = conclude(&home, &order, &process, &mut watch).await;
                    unmount(&mounter, &order).await;
                    tell(News::Ended(outcome));
                }
                Err(why) => {
                    unmount(&mounter, &order).await;
                    tell(News::NotLaunched(why));
                }
            }
        });
        Ok(())
    }

    fn mounter(&self) -> Mounter {
        Mounter::new(self.config.base_env.get("PATH").map_or("", String::as_str))
    }

    /// Has singletons run on until `until`.
    fn put_off(&mut self, until: u64) {
        if until <= self.fence {
            return;
        }
        self.fence = until;
        for run in self.runs.values() {
            run.put_off(until);
        }
        let left = until.saturating_sub(boottime::now());
        self.local.permit_singletons(self.now() + std::time::Duration::from_millis(left));
    }

    fn watch(&mut self, run: &Run, process: Process, mut watch: Watch) {
        let (order, home, news) = (run.order.clone(), run.home.clone(), self.news.clone());
        let mounter = self.mounter();
        self.tasks.spawn(async move {
            let outcome = conclude(&home, &order, &process, &mut watch).await;
            unmount(&mounter, &order).await;
            let _ = news.send(RunNews { id: order.replica, run: order.run, news: News::Ended(outcome) });
        });
    }

    fn probe(&mut self, id: ReplicaId, health: Health) {
        let Some(run) = self.runs.get(&id) else { return };
        let order = &run.order;
        let mut program = order.program.clone();
        // An earlier agent may have started it, so its process is asked.
        if let (Some(secret), Some(process), Probe::Exec { .. }) = (&order.secret, &run.process, &health.probe) {
            program.environment.extend(process.variables(&secret.names));
        }
        let asked =
            Asked { address: order.incarnation.address.clone(), ports: order.incarnation.ports.clone(), program };
        let (run, answers) = (order.run, self.answers.clone());
        self.tasks.spawn(async move {
            let answer = probe::ask(&health, &asked).await;
            let _ = answers.send(Answered { id, run, answer, health });
        });
    }

    fn hear(&mut self, RunNews { id, run: number, news }: RunNews) {
        let now = self.now();
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.order.run == number) else { return };
        let mut launched = false;
        let event = match news {
            News::Launched(process) => {
                tracing::info!(replica = %id, pid = process.pid, "started");
                let pid = process.pid;
                run.process = Some(process);
                // What its files are made from may have changed while it was being started.
                self.reloads.look(now + self.config.timings.files_apart);
                launched = true;
                Event::Started { pid }
            }
            News::NotLaunched(NotStarted { message, retry }) => {
                tracing::warn!(replica = %id, "not started: {message}");
                Event::NotStarted { message, retry }
            }
            News::Ended((outcome, exit)) => {
                tracing::info!(replica = %id, "{outcome}");
                run.process = None;
                Event::Ended { how: outcome.to_string(), exit }
            }
        };
        self.local.note(&id, event, now);
        if launched {
            // What it ran before it was replaced.
            self.let_go_of_closures();
        }
    }

    fn hear_answer(&mut self, Answered { id, run, answer, health }: Answered) {
        if self.runs.get(&id).is_some_and(|own| own.order.run == run) {
            self.local.note(&id, Event::Answered { answer, health }, self.now());
        }
    }

    /// Makes known how things stand: to the servers, and to the next agent.
    fn tell(&mut self, report: &watch::Sender<Report>) {
        for (id, run) in &mut self.runs {
            if run.process.is_some() {
                run.mark(self.local.is_healthy(id));
            }
        }
        self.give();
        let missing = self.launcher.groups.missing().map(str::to_owned);
        let missing = missing.into_iter().chain(self.launcher.systemd.as_ref().err().cloned());
        let own = self.complaint.clone().into_iter().chain(missing).chain(self.without_activation());
        let message: Vec<String> = own.chain(self.closures.complaints()).collect();
        let new = Report {
            generation: self.kept.number(),
            replicas: self.local.report(self.now()),
            endpoints: self.endpoints.known().clone(),
            message: (!message.is_empty()).then(|| message.join("; ")),
            drift: self.drift.told(),
            system: self.system.as_ref().map(|system| system.borrow().clone()),
        };
        report.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
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

/// Unmounts what a run had mounted. What stays is told of here alone: the replica has ended all the same, and the next run
/// finds it mounted.
async fn unmount(mounter: &Mounter, order: &RunOrder) {
    if let Err(error) = mounter.unmount(&order.mounts).await {
        tracing::warn!(replica = %order.replica, "{error}");
    }
}

fn since_1970() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Never, as far as a select goes that is not to wait for it.
fn far() -> Instant {
    Instant::now() + std::time::Duration::from_secs(3600)
}
