use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
use console::{Term, style};
use icefield_nix::{Build, Builder, Built, Event, Memo, Nix, NixConfig, NixError, Target, fill_in, is_needed, targets};
use icefield_spec::{Millis, Spec};

use crate::args::ClusterArgs;
use crate::builders::BuildersArgs;
use crate::command_error::CommandError;
use crate::home::home;
use crate::render::LiveText;

/// How and for whom Nix builds.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Building with Nix")]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(crate) nix: NixArguments,
    /// Where nixpkgs is taken from, where the file does not say: a path or a flake reference
    #[arg(
        long,
        env = "ICEFIELD_NIXPKGS",
        value_name = "REFERENCE",
        default_value = "github:NixOS/nixpkgs/nixos-26.05"
    )]
    nixpkgs: String,
    /// Build on this machine instead of here, as `nix --builders` has it (ssh-ng://node-1); may be given several times
    #[arg(long, value_name = "MACHINE")]
    builder: Vec<String>,
    /// Copy what was built to this store for the nodes to fetch it from (https://…, file://…, ssh-ng://…)
    #[arg(long, env = "ICEFIELD_CACHE", value_name = "URL")]
    cache: Option<String>,
    /// Sign what was built with the secret key in this file (`nix key generate-secret` makes one)
    #[arg(long, env = "ICEFIELD_CACHE_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long one of them may take
    #[arg(long, value_name = "TIME", default_value = "1h")]
    build_timeout: Millis,
    /// Show all that Nix and what it builds say
    #[arg(long)]
    pub(crate) logs: bool,
}

/// Which Nix, and which store.
#[derive(Debug, Clone, Args)]
pub(crate) struct NixArguments {
    /// The program of Nix, if not the one in PATH
    #[arg(long, env = "ICEFIELD_NIX", value_name = "PROGRAM", default_value = "nix")]
    nix: OsString,
    /// The store, if not the machine's own, as `nix --store` has it
    #[arg(long, env = "ICEFIELD_NIX_STORE", value_name = "URL")]
    nix_store: Option<String>,
}

/// What is built, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The folder of the declaration.
    pub(crate) folder: &'a Path,
    /// Whether bases are built too.
    pub(crate) bases: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    pub(crate) built: Vec<Built>,
    /// How many were built before.
    pub(crate) known: usize,
    /// The files that went in.
    pub(crate) watched: Vec<PathBuf>,
}

/// Why something could not be built.
#[derive(Debug)]
pub(crate) struct Unbuilt {
    pub(crate) error: CommandError,
    /// The files that went in: after a change of one it may be otherwise.
    pub(crate) watched: Vec<PathBuf>,
}

impl From<Unbuilt> for CommandError {
    fn from(unbuilt: Unbuilt) -> Self {
        unbuilt.error
    }
}

impl From<CommandError> for Unbuilt {
    fn from(error: CommandError) -> Self {
        Self { error, watched: Vec::new() }
    }
}

impl From<NixError> for Unbuilt {
    fn from(error: NixError) -> Self {
        CommandError::new("cannot build").cause(error.to_string()).into()
    }
}

/// Is told what happens.
pub(crate) trait Listen: Sync {
    /// Something happened to `target`.
    fn told(&self, target: &Target, event: Event<'_>);
    /// Set when all of it is to end.
    fn stop(&self) -> &AtomicBool;
}

/// More than that at a time would wait for the same disk.
const MOST_AT_A_TIME: usize = 8;

impl NixArguments {
    /// The same for a library.
    pub(crate) fn config(&self) -> NixConfig {
        NixConfig { program: self.nix.clone(), store: self.nix_store.clone() }
    }

    /// The same for another process.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut all = vec!["--nix".into(), self.nix.clone()];
        if let Some(store) = &self.nix_store {
            all.extend(["--nix-store".into(), store.into()]);
        }
        all
    }
}

impl BuildArguments {
    /// The same, with the nodes of the cluster that are to build.
    pub(crate) fn on(&self, builders: &BuildersArgs, cluster: &ClusterArgs) -> Result<Self, CommandError> {
        let mut all = self.clone();
        all.builder.extend(builders.find(cluster, self.nix.config().store_folder())?);
        Ok(all)
    }

    /// The same for another process.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut all = self.nix.arguments();
        all.extend(["--nixpkgs".into(), OsString::from(&self.nixpkgs)]);
        for builder in &self.builder {
            all.extend(["--builder".into(), OsString::from(builder)]);
        }
        if let Some(cache) = &self.cache {
            all.extend(["--cache".into(), OsString::from(cache)]);
        }
        if let Some(key) = &self.key {
            all.extend(["--key".into(), key.clone().into_os_string()]);
        }
        all.extend(["--build-timeout".into(), OsString::from(self.build_timeout.to_string())]);
        all
    }

    /// Builds what `spec` needs and writes where it is into it. Without anything to build, no Nix is needed.
    pub(crate) fn build(&self, spec: &mut Spec, scope: &Scope<'_>, listener: &dyn Listen) -> Result<Builds, Unbuilt> {
        if !is_needed(spec, scope.bases) {
            return Ok(Builds::default());
        }
        let nix = Nix::find(self.nix.config())?;
        let wanted = icefield_nix::Scope {
            folder: scope.folder.to_path_buf(),
            nixpkgs: self.nixpkgs.clone(),
            search_path: std::env::var("NIX_PATH").ok(),
            bases: scope.bases,
        };
        let wanted = targets(spec, &wanted, &nix)?;
        let memo = Memo::new(home()?.join("nix"));
        let builder = Builder {
            nix: &nix,
            memo: &memo,
            jobs: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_A_TIME),
            timeout: self.build_timeout.duration(),
            builders: self.builder.clone(),
            stop: listener.stop(),
        };
        let done = builder.build(&wanted.targets, &|target, event| listener.told(target, event))?;
        let Build { built, known, failed: failures } = done;
        if !failures.is_empty() {
            let count = format!("{} of {} could not be built", failures.len(), wanted.targets.len());
            let error = CommandError::new(format!("{count}; nothing was changed"));
            let error = failures.iter().fold(error, |error, failure| error.cause(failure.to_string()));
            return Err(Unbuilt { error, watched: wanted.watched.into_iter().collect() });
        }
        let paths: Vec<_> = built.iter().map(|built| built.path.clone()).collect();
        if let Some(key) = &self.key {
            nix.sign(&paths, key)?;
        }
        if let Some(cache) = &self.cache {
            nix.copy_to(&paths, cache)?;
        }
        fill_in(spec, &built);
        Ok(Builds { built, known, watched: wanted.watched.into_iter().collect() })
    }
}

/// Shows on standard error what is being built.
pub(crate) struct View {
    live: Mutex<Live>,
    logs: bool,
    stop: AtomicBool,
}

struct Live {
    text: LiveText,
    /// What is being built, since when, and the last that was said of it.
    now: BTreeMap<String, (Instant, String)>,
}

impl View {
    /// With all that is said, if `logs`.
    pub(crate) fn new(logs: bool) -> Self {
        let live = Live { text: LiveText::new(Term::stderr()), now: BTreeMap::new() };
        Self { live: Mutex::new(live), logs, stop: AtomicBool::new(false) }
    }
}

impl Listen for View {
    fn told(&self, target: &Target, event: Event<'_>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let title = target.title();
        let note = match event {
            Event::Said(line) if self.logs => Some(format!("{title}> {line}")),
            Event::Said(line) => {
                if let Some((_, last)) = live.now.get_mut(&title) {
                    line.clone_into(last);
                }
                None
            }
            Event::Started => {
                live.now.insert(title.clone(), (Instant::now(), String::new()));
                (!live.text.is_live()).then(|| format!("building {title} …"))
            }
            ended => {
                live.now.remove(&title);
                told(target, &ended)
            }
        };
        // Who does not read what is said does not keep it from being built.
        if let Some(note) = note {
            let _ = live.text.note(&note);
        }
        if live.text.is_live() {
            let lines = live.now.iter().map(|(title, (since, last))| {
                format!("{} {title} {:.0} s  {last}\n", style("…").yellow(), since.elapsed().as_secs_f64())
            });
            let text: String = lines.collect();
            let _ = live.text.show(&text);
        }
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }
}

/// A line on how building `target` ended, if that is worth one.
pub(crate) fn told(target: &Target, event: &Event<'_>) -> Option<String> {
    let title = target.title();
    match event {
        Event::Built(took) => Some(format!("{} built {title} in {:.1} s", style("✓").green(), took.as_secs_f64())),
        Event::Failed(_) => Some(format!("{} {title} could not be built", style("✗").red())),
        Event::Known | Event::Started | Event::Said(_) => None,
    }
}

/// Builds the services of a spec that is about to be shown or applied.
pub(crate) fn build_services(spec: &mut Spec, folder: &Path, build: &BuildArguments) -> Result<(), CommandError> {
    let view = View::new(build.logs);
    let scope = Scope { folder, bases: false };
    build.build(spec, &scope, &view)?;
    Ok(())
}
