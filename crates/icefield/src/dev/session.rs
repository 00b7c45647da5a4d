use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use console::{Term, style};
use icefield_api::{Client, Status};
use icefield_spec::{Name, Revision};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::apply_loop::{apply, wait_for_agents};
use super::cluster::DevCluster;
use super::layout::{Layout, Running};
use super::registry::Registry;
use super::sample::nodes_to_start;
use super::stop::sweep;
use super::watched_files::WatchedFiles;
use crate::command_error::CommandError;
use crate::progress::{Progress, progress};
use crate::render::{self, LiveText};
use crate::source::{Evaluated, Source};

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
    /// How many servers there are.
    pub(crate) servers: u8,
}

/// How often files and processes are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a watch waits for a change.
const WATCH: Duration = Duration::from_secs(5);

/// Runs the cluster until Ctrl-C or SIGTERM, then ends all of it.
pub(crate) fn run(options: &Options) -> Result<u8, CommandError> {
    let evaluated = options.source.load()?;
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
        let cluster = DevCluster::new(layout.clone(), options.source.path().to_path_buf(), options.temporary, notes)?;
        let mut session = Session { options, layout: &layout, cluster, noted, live: LiveText::new(Term::stdout()) };
        let result = session.run(evaluated, nodes).await;
        let Session { cluster, mut live, .. } = session;
        live.note("ending the cluster …")?;
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

fn already_running(layout: &Layout) -> CommandError {
    let pid = layout.read_running().map_or(String::new(), |running: Running| format!(" (process {})", running.pid));
    CommandError::new(format!("a dev cluster already runs with the data in {}{pid}", layout.root().display()))
        .hint("`icefield dev --stop` ends it")
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
    async fn run(&mut self, evaluated: Evaluated, nodes: Vec<Name>) -> Result<u8, CommandError> {
        let start = Instant::now();
        self.live.note(&format!("starting servers and {} agents …", nodes.len()))?;
        self.cluster.start_servers(self.options.servers)?;
        self.cluster.start_nodes(&nodes)?;
        self.write_running()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let client = Client::new(self.cluster.urls());
        let mut files = WatchedFiles::new(evaluated.files.iter().cloned());
        let mut wanted = tokio::select! {
            applied = self.first_apply(&client, evaluated, &nodes) => applied?,
            _ = tokio::signal::ctrl_c() => return Ok(0),
            _ = terminate.recv() => return Ok(0),
        };
        let (sender, mut statuses) = watch::channel(None);
        let watching = tokio::spawn(watch_status(client.clone(), sender));
        let mut announced = None;
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                _ = terminate.recv() => break,
                Some(note) = self.noted.recv() => self.live.note(&format!("{} {note}", style("!").yellow()))?,
                _ = statuses.changed() => {
                    let status: Option<Status> = statuses.borrow_and_update().clone();
                    if let Some(status) = status {
                        self.show(&status, &wanted, start, &mut announced)?;
                    }
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            self.write_running()?;
            if files.have_changed()
                && let Some(revision) = self.apply_anew(&client, &mut files).await?
            {
                wanted = revision;
            }
        }
        watching.abort();
        Ok(0)
    }

    async fn first_apply(
        &mut self,
        client: &Client,
        evaluated: Evaluated,
        nodes: &[Name],
    ) -> Result<Revision, CommandError> {
        wait_for_agents(client, nodes).await;
        Ok(apply(client, evaluated.spec).await?.revision)
    }

    /// Applies the file again after a change; one with mistakes leaves the cluster as it is.
    async fn apply_anew(
        &mut self,
        client: &Client,
        files: &mut WatchedFiles,
    ) -> Result<Option<Revision>, CommandError> {
        let source = self.options.source.clone();
        let evaluated = tokio::task::spawn_blocking(move || source.evaluate()).await;
        let evaluated = evaluated.map_err(|error| CommandError::because("the evaluation broke off", &error))?;
        let evaluated = match evaluated {
            Ok(Ok(evaluated)) => evaluated,
            Ok(Err(mistakes)) => {
                *files = WatchedFiles::new(mistakes.files);
                self.live.note(mistakes.text.trim_end())?;
                self.live.note(&format!("{} the cluster stays as it was", style("!").yellow()))?;
                return Ok(None);
            }
            Err(error) => {
                error.report();
                return Ok(None);
            }
        };
        *files = WatchedFiles::new(evaluated.files);
        let revision = evaluated.spec.revision();
        let nodes = match nodes_to_start(&evaluated.spec, self.options.sample) {
            Ok(nodes) => nodes,
            Err(error) => {
                error.report();
                return Ok(None);
            }
        };
        self.cluster.start_nodes(&nodes)?;
        wait_for_agents(client, &nodes).await;
        if let Err(error) = apply(client, evaluated.spec).await {
            error.report();
            return Ok(None);
        }
        self.cluster.stop_other_nodes(&nodes).await;
        self.live.note(&format!("{} applied revision {}", style("✓").green(), revision.short()))?;
        Ok(Some(revision))
    }

    /// Draws the view; where there is no terminal, says only when all is as declared.
    fn show(
        &mut self,
        status: &Status,
        wanted: &Revision,
        start: Instant,
        announced: &mut Option<Revision>,
    ) -> Result<(), CommandError> {
        if self.live.is_live() {
            self.live.show(&render::status(status, self.live.rows()))?;
        }
        if announced.as_ref() != Some(wanted) && progress(status, wanted, true) == Progress::Done {
            *announced = Some(*wanted);
            if !self.live.is_live() {
                self.live.show(&render::status(status, usize::MAX))?;
            }
            let took = start.elapsed().as_secs_f64();
            let line =
                format!("{} all is as declared, {took:.1} s after the start; Ctrl-C ends it", style("✓").green());
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
