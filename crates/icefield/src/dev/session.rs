use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use console::{Term, style};
use icefield_api::{Client, NodeState, Status};
use icefield_nix::{Event, Target};
use icefield_spec::{Name, Revision};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::apply_loop::{apply, set_given, wait_for_agents};
use super::cluster::DevCluster;
use super::layout::{Layout, Running};
use super::registry::Registry;
use super::sample::{MAX_AGENTS, nodes_to_start};
use super::secrets::{DevSecrets, UNSET};
use super::stop::sweep;
use super::watched_files::WatchedFiles;
use crate::building::{BuildArguments, Builds, Listen, Scope, Unbuilt, View, told};
use crate::command_error::CommandError;
use crate::progress::{Progress, progress};
use crate::render::{self, LiveText};
use crate::source::{Evaluated, Mistakes, Source};

/// How a dev cluster is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The file to apply.
    pub(crate) source: Source,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Whether the data folder goes when the cluster ends.
    pub(crate) temporary: bool,
    /// How many nodes get an agent, if not all.
    pub(crate) sample: Option<u32>,
    /// How what Nix builds is built.
    pub(crate) build: BuildArguments,
    /// How many servers there are.
    pub(crate) servers: u8,
    /// What its secrets are.
    pub(crate) secrets: DevSecrets,
}

/// How often files and processes are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a watch waits for a change.
const WATCH: Duration = Duration::from_secs(5);

/// Runs the cluster until Ctrl-C or SIGTERM, then ends all of it.
pub(crate) fn run(options: &Options) -> Result<u8, CommandError> {
    let mut evaluated = options.source.load()?;
    let view = View::new(options.build.logs);
    let scope = Scope { folder: options.source.folder(), bases: false };
    let Builds { watched, .. } = options.build.build(&mut evaluated.spec, &scope, &view)?;
    evaluated.files.extend(watched);
    let nodes = nodes_to_start(&evaluated.spec, options.sample)?;
    fs::create_dir_all(&options.data)
        .map_err(|error| CommandError::because(format!("cannot create {}", options.data.display()), &error))?;
    let data = fs::canonicalize(&options.data)?;
    let layout = Layout::new(data);
    let Some(_lock) = layout.lock()? else {
        return Err(already_running(&layout));
    };
    layout.create()?;
    let registry = Registry::open()?;
    sweep(&registry);
    registry.add(layout.root())?;
    // One thread: the processes started here end with the thread that started them.
    let result = crate::connect::runtime()?.block_on(async {
        let (notes, noted) = mpsc::unbounded_channel();
        let nix = options.build.nix.clone();
        let file = options.source.path().to_path_buf();
        let cluster = DevCluster::new(layout.clone(), file, options.temporary, nix, notes)?;
        let mut session = Session { options, layout: &layout, cluster, noted, live: LiveText::new(Term::stdout()) };
        let mut end = End::listen()?;
        let result = tokio::select! {
            result = session.run(evaluated, nodes) => result,
            () = end.told() => Ok(0),
        };
        let Session { cluster, mut live, .. } = session;
        // Whether or not anybody still reads what is said, all of it must end.
        let _ = live.note("ending the cluster …");
        cluster.stop().await;
        result
    });
    registry.remove(layout.root());
    if options.temporary {
        // What cannot be removed is swept by the next start.
        let _ = fs::remove_dir_all(layout.root());
    }
    result
}

/// The error for a data folder that another cluster has.
pub(super) fn already_running(layout: &Layout) -> CommandError {
    let pid = layout.read_running().map_or(String::new(), |running: Running| format!(" (process {})", running.pid));
    CommandError::new(format!("a dev cluster already runs with the data in {}{pid}", layout.root().display()))
        .hint(format!("`icefield dev --stop --data {}` ends it", layout.root().display()))
}

/// The signals that end a dev cluster: Ctrl-C, SIGTERM, and the terminal's end.
struct End {
    signals: [Signal; 3],
}

impl End {
    fn listen() -> Result<Self, CommandError> {
        let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Self { signals: [signal(interrupt)?, signal(terminate)?, signal(hangup)?] })
    }

    /// Waits for any of them, also for one that came while nobody waited.
    async fn told(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A task that ends with this value.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One run of a dev cluster.
struct Session<'a> {
    options: &'a Options,
    layout: &'a Layout,
    cluster: DevCluster,
    noted: mpsc::UnboundedReceiver<String>,
    live: LiveText,
}

impl Session<'_> {
    /// Runs until something fails; whoever wants it to end sooner drops the future.
    async fn run(&mut self, evaluated: Evaluated, nodes: Vec<Name>) -> Result<u8, CommandError> {
        let start = Instant::now();
        self.live.note(&format!("starting servers and {} agents …", nodes.len()))?;
        self.cluster.start_servers(self.options.servers)?;
        self.cluster.start_nodes(&nodes)?;
        self.write_running()?;
        if let Some(dns) = self.cluster.dns() {
            let cluster = &evaluated.spec.cluster;
            self.live.note(&format!("DNS for SERVICE.{cluster}.icefield at {} port {}", dns.ip(), dns.port()))?;
        }
        let unplugged = nodes.iter().filter(|name| self.layout.unplugged(name.as_str()).exists());
        for name in unplugged {
            self.live
                .note(&format!("! node {name} is without power; `icefield dev start-node {name}` gives it back"))?;
        }
        let client = Client::new(self.cluster.urls());
        let files = WatchedFiles::new(evaluated.files.iter().cloned());
        wait_for_agents(&client, &nodes).await;
        let (live, secrets) = (&mut self.live, &self.options.secrets);
        set_given(&client, secrets).await?;
        let applied = apply(&client, evaluated.spec, secrets, |made| tell_of(live, made)).await?.revision;
        self.follow(&client, files, applied, start).await
    }

    /// Shows what happens and applies the file whenever it changes, for ever.
    async fn follow(
        &mut self,
        client: &Client,
        mut files: WatchedFiles,
        mut wanted: Revision,
        mut since: Instant,
    ) -> Result<u8, CommandError> {
        let (sender, mut statuses) = watch::channel(None);
        let _watching = AbortOnDrop(tokio::spawn(watch_status(client.clone(), sender)));
        let mut announced = None;
        loop {
            tokio::select! {
                Some(note) = self.noted.recv() => self.live.note(&format!("{} {note}", style("!").yellow()))?,
                _ = statuses.changed() => {
                    let status: Option<Status> = statuses.borrow_and_update().clone();
                    if let Some(status) = status {
                        self.show(&status, &wanted, since, &mut announced)?;
                        self.start_joining(&status)?;
                    }
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            self.write_running()?;
            if files.have_changed()
                && let Some(revision) = self.apply_anew(client, &mut files).await?
            {
                (wanted, since) = (revision, Instant::now());
            }
        }
    }

    /// Starts agents for nodes that a spec declares which was applied by hand.
    fn start_joining(&mut self, status: &Status) -> Result<(), CommandError> {
        let joining = status.nodes.iter().filter(|node| node.state == NodeState::Joining);
        let joining: Vec<Name> = joining.map(|node| node.name.clone()).collect();
        let few = status.nodes.len() as u64 <= MAX_AGENTS;
        if self.options.sample.is_none() && few { self.cluster.start_nodes(&joining) } else { Ok(()) }
    }

    /// Evaluates the file and builds what it needs, saying what is built.
    async fn evaluate(&mut self) -> Result<Result<Evaluated, Mistakes>, CommandError> {
        let (source, build) = (self.options.source.clone(), self.options.build.clone());
        let (lines, mut said) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        // Whoever drops this future has what is being built ended.
        let _stops = StopOnDrop(Arc::clone(&stop));
        let mut work = tokio::task::spawn_blocking(move || {
            let mut evaluated = match source.evaluate()? {
                Ok(evaluated) => evaluated,
                Err(mistakes) => return Ok(Err(mistakes)),
            };
            let scope = Scope { folder: source.folder(), bases: false };
            match build.build(&mut evaluated.spec, &scope, &Lines { lines, stop }) {
                Ok(Builds { watched, .. }) => evaluated.files.extend(watched),
                Err(Unbuilt { error, watched }) => {
                    let files = [evaluated.files, watched].concat();
                    return Ok(Err(Mistakes { text: error.text(), count: 1, files }));
                }
            }
            Ok::<_, CommandError>(Ok(evaluated))
        });
        loop {
            tokio::select! {
                Some(line) = said.recv() => self.live.note(&line)?,
                done = &mut work => {
                    return done.map_err(|error| CommandError::because("the evaluation broke off", &error))?;
                }
            }
        }
    }

    /// Applies the file again after a change; one with mistakes leaves the cluster as it is.
    async fn apply_anew(
        &mut self,
        client: &Client,
        files: &mut WatchedFiles,
    ) -> Result<Option<Revision>, CommandError> {
        let evaluated = match self.evaluate().await {
            Ok(Ok(evaluated)) => evaluated,
            Ok(Err(mistakes)) => {
                files.follow(mistakes.files);
                self.live.note(mistakes.text.trim_end())?;
                self.live.note(&format!("{} the cluster stays as it was", style("!").yellow()))?;
                return Ok(None);
            }
            Err(error) => return self.keep(&error),
        };
        files.follow(evaluated.files);
        let nodes = match nodes_to_start(&evaluated.spec, self.options.sample) {
            Ok(nodes) => nodes,
            Err(error) => return self.keep(&error),
        };
        self.cluster.start_nodes(&nodes)?;
        wait_for_agents(client, &nodes).await;
        let (live, secrets) = (&mut self.live, &self.options.secrets);
        // What is in force may be another revision than what was sent: the versions of secrets are part of it.
        let applied = match apply(client, evaluated.spec, secrets, |made| tell_of(live, made)).await {
            Ok(applied) => applied,
            Err(error) => return self.keep(&error),
        };
        let revision = applied.revision;
        self.cluster.stop_other_nodes(&nodes).await;
        self.live.note(&format!("{} applied revision {}", style("✓").green(), revision.short()))?;
        Ok(Some(revision))
    }

    /// Says why a change is not applied.
    fn keep(&mut self, error: &CommandError) -> Result<Option<Revision>, CommandError> {
        self.live.note(error.text().trim_end())?;
        self.live.note(&format!("{} the cluster stays as it was", style("!").yellow()))?;
        Ok(None)
    }

    /// Draws the view; where there is no terminal, says only when all is as declared.
    fn show(
        &mut self,
        status: &Status,
        wanted: &Revision,
        since: Instant,
        announced: &mut Option<Revision>,
    ) -> Result<(), CommandError> {
        if self.live.is_live() {
            self.live.show(&render::status(status, self.live.rows()))?;
        }
        if announced.as_ref() != Some(wanted)
            && let Progress::Done { unplaceable } = progress(status, wanted, true)
        {
            *announced = Some(*wanted);
            if !self.live.is_live() {
                self.live.show(&render::status(status, usize::MAX))?;
            }
            let took = since.elapsed().as_secs_f64();
            let line = match unplaceable {
                0 => format!("{} all is as declared, after {took:.1} s; Ctrl-C ends it", style("✓").green()),
                count => format!("{} {count} replicas fit nowhere; `icefield explain` says why", style("!").yellow()),
            };
            self.live.note(&line)?;
        }
        Ok(())
    }

    /// Says what runs, for other commands; writes only what is new.
    fn write_running(&self) -> Result<(), CommandError> {
        let running = self.cluster.running();
        if self.layout.read_running().as_ref() == Some(&running) { Ok(()) } else { self.layout.write_running(&running) }
    }
}

/// Passes on, as lines, what happens while something is built.
struct Lines {
    lines: mpsc::UnboundedSender<String>,
    stop: Arc<AtomicBool>,
}

impl Listen for Lines {
    fn told(&self, target: &Target, event: Event<'_>) {
        if let Some(line) = told(target, &event) {
            // Without anybody to read it, all of this is being ended.
            let _ = self.lines.send(line);
        }
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }
}

/// Has what is being built ended when this value goes.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says that secrets which nobody had set were given values.
fn tell_of(live: &mut LiveText, made: &[String]) -> Result<(), CommandError> {
    let names = made.join(", ");
    let what = if made.len() == 1 { "a random value" } else { "random values" };
    live.note(&format!("{UNSET}{names}: given {what}; `icefield secret set NAME` or --secret gives another"))
}

/// Sends every new status on, until nobody listens.
async fn watch_status(client: Client, sender: watch::Sender<Option<Status>>) {
    let mut seen = None;
    while !sender.is_closed() {
        match client.status(seen, WATCH).await {
            Ok(status) => {
                if seen != Some(status.index) {
                    seen = Some(status.index);
                    sender.send_replace(Some(status));
                }
            }
            // An election, or a server that is being started anew.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
