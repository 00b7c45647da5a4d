use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use icefield_spec::StorePath;
use serde_json::Value;

use crate::call::Call;
use crate::expression::ROOT;
use crate::target::Target;
use crate::{Built, Memo, Nix, NixError};

/// Builds targets, several at a time.
#[derive(Debug)]
pub struct Builder<'a> {
    /// What builds.
    pub nix: &'a Nix,
    /// What was built before.
    pub memo: &'a Memo,
    /// How many are built at a time.
    pub jobs: usize,
    /// How long one may take.
    pub timeout: Duration,
    /// The machines that build, as `nix --builders` takes them; this one if there are none.
    pub builders: Vec<String>,
    /// Set when it is to end.
    pub stop: &'a AtomicBool,
}

/// What happens while targets are built.
#[derive(Debug)]
pub enum Event<'a> {
    /// It was built before from the same input; nothing is evaluated.
    Known,
    /// Nix was started on it.
    Started,
    /// Nix or what builds it said something.
    Said(&'a str),
    /// It was built.
    Built(Duration),
    /// It was not.
    Failed(&'a NixError),
}

/// What came of building.
#[derive(Debug, Default)]
pub struct Build {
    /// What is there now, in the order of the targets.
    pub built: Vec<Built>,
    /// How many of them Nix was not asked for.
    pub known: usize,
    /// What could not be built.
    pub failed: Vec<NixError>,
}

impl Builder<'_> {
    /// Builds each of `targets` once. What fails does not keep the others from being built.
    ///
    /// # Errors
    /// The store cannot be asked what it has.
    pub fn build(&self, targets: &[Target], told: &(dyn Fn(&Target, Event<'_>) + Sync)) -> Result<Build, NixError> {
        let mut outcomes: Vec<Option<Result<Built, NixError>>> = Vec::new();
        let remembered: Vec<Option<Built>> = targets.iter().map(|target| self.memo.find(target)).collect();
        let paths: Vec<StorePath> = remembered.iter().flatten().map(|built| built.path.clone()).collect();
        let there = self.nix.known(&paths)?;
        let mut waiting = VecDeque::new();
        let mut build = Build::default();
        for (at, (target, built)) in targets.iter().zip(remembered).enumerate() {
            // What was collected is built again.
            let built = built.filter(|built| there.paths.contains_key(&built.path));
            match built {
                Some(built) => {
                    told(target, Event::Known);
                    build.known += 1;
                    outcomes.push(Some(Ok(built)));
                }
                None => {
                    waiting.push_back(at);
                    outcomes.push(None);
                }
            }
        }
        let threads = self.jobs.clamp(1, waiting.len().max(1));
        if threads > 1 {
            // Several that open a new store at once make the same folders, and all but one fail.
            self.nix.open_store()?;
        }
        let (waiting, outcomes) = (Mutex::new(waiting), Mutex::new(outcomes));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        let Some(at) = next else { return };
                        let outcome = self.build_one(&targets[at], told);
                        outcomes.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(outcome);
                    }
                });
            }
        });
        for outcome in outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten() {
            match outcome {
                Ok(built) => build.built.push(built),
                Err(error) => build.failed.push(error),
            }
        }
        Ok(build)
    }

    fn build_one(&self, target: &Target, told: &(dyn Fn(&Target, Event<'_>) + Sync)) -> Result<Built, NixError> {
        told(target, Event::Started);
        let start = Instant::now();
        let outcome = self.run(target, &|line| told(target, Event::Said(line)));
        match &outcome {
            Ok(_) => told(target, Event::Built(start.elapsed())),
            Err(error) => told(target, Event::Failed(error)),
        }
        outcome
    }

    /// One call evaluates and builds.
    fn run(&self, target: &Target, on_line: &(dyn Fn(&str) + Sync)) -> Result<Built, NixError> {
        let folder = self.memo.write(target)?;
        let mut command =
            self.nix.command(["build", "--json", "--impure", "--print-build-logs", "--no-write-lock-file"]);
        command.arg("--file").arg(folder.join(ROOT)).arg("--out-link").arg(self.memo.root(target)?);
        if !self.builders.is_empty() {
            command.args(["--builders", &self.builders.join(" ; "), "--max-jobs", "0"]);
        }
        let what = target.title();
        let call = Call::new(command, &*what).timeout(self.timeout).log(self.memo.log(target));
        let answer = call.on_line(on_line).stop(self.stop).run()?;
        let path =
            output(&answer).ok_or_else(|| NixError::Unreadable { what, answer: answer.chars().take(200).collect() })?;
        let closure = self.nix.closure(&path)?;
        let built =
            Built { kind: target.kind, name: target.name.clone(), system: target.system.clone(), path, closure };
        if target.loose.is_none() {
            self.memo.remember(target, &built)?;
        }
        // It is there to be looked at where something went wrong.
        let _ = std::fs::remove_dir_all(folder);
        Ok(built)
    }
}

/// The path in what `nix build --json` answers.
fn output(answer: &str) -> Option<StorePath> {
    let value: Value = serde_json::from_str(answer).ok()?;
    value[0]["outputs"]["out"].as_str()?.parse().ok()
}
