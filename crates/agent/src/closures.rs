use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use icefield_nix::{Nix, NixConfig, NixError, Sources};
use icefield_plan::NodePlan;
use icefield_spec::{StorePath, Unit};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::exchange::Exchange;
use crate::servers::pause;

/// The closures that this node's plan needs: each is kept in the store by a link as long as anything here has to do with it.
#[derive(Debug)]
pub(crate) struct Closures {
    /// Where the links are.
    folder: PathBuf,
    there: BTreeSet<StorePath>,
    /// Why one is not there yet, as last heard.
    failures: BTreeMap<StorePath, String>,
    /// What other nodes have sent that they must not, when something was fetched last.
    complaints: Vec<String>,
}

/// What came of fetching a closure.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: StorePath,
    pub(crate) result: Result<(), String>,
    /// What other nodes have sent meanwhile that they must not.
    pub(crate) complaints: Vec<String>,
}

/// What a unit is run from on nodes of `system`.
pub(crate) fn closure_of<'a>(unit: &'a Unit, system: &str) -> Option<&'a StorePath> {
    unit.run.closures()?.get(system)
}

impl Closures {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder, there: BTreeSet::new(), failures: BTreeMap::new(), complaints: Vec::new() }
    }

    /// What `plan` needs.
    pub(crate) fn wanted(plan: &NodePlan) -> BTreeSet<StorePath> {
        plan.units.values().filter_map(|planned| closure_of(&planned.unit, &plan.system)).cloned().collect()
    }

    /// What of `wanted` is not there.
    pub(crate) fn missing(&self, wanted: &BTreeSet<StorePath>) -> BTreeSet<StorePath> {
        wanted.difference(&self.there).cloned().collect()
    }

    /// Why a unit cannot be started, if its closure is not there.
    pub(crate) fn waits(&self, unit: &Unit, system: &str) -> Option<String> {
        let path = closure_of(unit, system).filter(|path| !self.there.contains(*path))?;
        Some(match self.failures.get(path) {
            Some(why) => format!("waits for {path}, which cannot be fetched: {why}"),
            None => format!("waits for {path}, which is being fetched"),
        })
    }

    /// What is to be told of other nodes, though all that is wanted may be there.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = String> {
        self.complaints.iter().map(|complaint| format!("another node was passed over: {complaint}"))
    }

    /// Takes note of what was fetched.
    pub(crate) fn take(&mut self, Fetched { path, result, complaints }: Fetched) {
        self.complaints = complaints;
        match result {
            Ok(()) => {
                tracing::info!(%path, "is in the store");
                self.failures.remove(&path);
                self.there.insert(path);
            }
            Err(why) => {
                tracing::warn!(%path, "cannot be fetched: {why}");
                self.failures.insert(path, why);
            }
        }
    }

    /// Lets go of all but what is `wanted` and what one of `programs`, which run, came from.
    pub(crate) fn keep_only<'a>(
        &mut self,
        wanted: &BTreeSet<StorePath>,
        programs: impl Iterator<Item = &'a Path> + Clone,
    ) {
        let Ok(links) = fs::read_dir(&self.folder) else { return };
        for link in links.flatten() {
            let Some(name) = link.file_name().to_str().map(str::to_owned) else { continue };
            let runs = || programs.clone().any(|program| program.iter().any(|part| *part == *name));
            if !wanted.iter().any(|path| path.base_name() == name) && !runs() {
                let _ = fs::remove_file(link.path());
                self.there.retain(|path| path.base_name() != name);
                self.failures.retain(|path, _| path.base_name() != name);
            }
        }
    }
}

/// Has the closures fetched that are missing, one after the other.
pub(crate) struct FetchClosures {
    pub(crate) nix: NixConfig,
    pub(crate) sources: Sources,
    pub(crate) folder: PathBuf,
    pub(crate) retry: Duration,
    /// What gets them from other nodes.
    pub(crate) exchange: Option<Arc<Exchange>>,
    /// What is missing.
    pub(crate) missing: watch::Receiver<BTreeSet<StorePath>>,
}

impl FetchClosures {
    pub(crate) async fn run(mut self, told: mpsc::UnboundedSender<Fetched>) {
        let mut nix: Option<Nix> = None;
        let mut failures = 0;
        loop {
            if self.missing.wait_for(|missing| !missing.is_empty()).await.is_err() {
                return;
            }
            let missing = self.missing.borrow_and_update().clone();
            let mut failed = false;
            for path in missing {
                let (result, complaints) = self.fetch(&mut nix, &path).await;
                failed |= result.is_err();
                if told.send(Fetched { path, result, complaints }).is_err() {
                    return;
                }
            }
            failures = if failed { failures + 1 } else { 0 };
            if failed {
                let _ = timeout(pause(self.retry, failures), self.missing.changed()).await;
            } else if self.missing.has_changed().is_ok_and(|changed| !changed) {
                // The loop has yet to say what is still missing.
                let _ = timeout(self.retry, self.missing.changed()).await;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Has a closure fetched, from other nodes if that can be; and what those have sent that they must not.
    async fn fetch(&self, nix: &mut Option<Nix>, path: &StorePath) -> (Result<(), String>, Vec<String>) {
        let (mut came, mut complaints) = (false, Vec::new());
        let is_there = Path::new(&self.nix.physical(path.as_str())).exists();
        if let Some(exchange) = self.exchange.as_ref().filter(|_| !is_there)
            && let Some(lane) = exchange.open(path).await
        {
            let fetched = self.realise(nix, path, lane.sources().clone()).await;
            complaints = lane.complaints();
            came = fetched.is_ok();
            if let Err(why) = fetched {
                tracing::warn!(%path, "not got by way of other nodes, so without them: {why}");
            }
        }
        let fetched = if came { Ok(()) } else { self.realise(nix, path, self.sources.clone()).await };
        if let (Ok(()), Some(exchange)) = (&fetched, &self.exchange) {
            exchange.close(path);
        }
        (fetched, complaints)
    }

    async fn realise(&self, nix: &mut Option<Nix>, path: &StorePath, sources: Sources) -> Result<(), String> {
        let (known, config, path) = (nix.clone(), self.nix.clone(), path.clone());
        let root = self.folder.join(path.base_name());
        let fetched = tokio::task::spawn_blocking(move || {
            let found = match known {
                Some(nix) => nix,
                None => Nix::find(config)?,
            };
            found.realise(&path, &root, &sources).map(|()| found)
        });
        match fetched.await {
            Ok(Ok(found)) => {
                *nix = Some(found);
                Ok(())
            }
            Ok(Err(error)) => Err(one_line(&error)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The last that Nix said of it, which is what matters where there is room for a line.
fn one_line(error: &NixError) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().rfind(|line| line.contains("error:"));
    last.or_else(|| lines.next_back()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use icefield_cache::SecretKey;
    use icefield_spec::{Bytes, Cpu, NixSource, Run};

    use super::*;
    use crate::exchange::ExchangeConfig;
    use crate::servers::Servers;

    fn path(name: &str) -> StorePath {
        format!("/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-{name}").parse().unwrap()
    }

    #[test]
    fn a_unit_waits_until_its_closure_is_there() {
        let closures = BTreeMap::from([("x86_64-linux".to_owned(), path("web"))]);
        let run = Run::Nix { package: NixSource::Reference("web".into()), command: vec!["web".into()], closures };
        let unit = Unit::new(run, Cpu::from_millis(1), Bytes::new(1));
        let mut known = Closures::new("/nowhere".into());
        assert!(known.waits(&unit, "x86_64-linux").unwrap().ends_with("is being fetched"));
        known.take(Fetched {
            path: path("web"),
            result: Err("no such cache".into()),
            complaints: vec!["n2: bad".into()],
        });
        assert!(known.waits(&unit, "x86_64-linux").unwrap().ends_with("cannot be fetched: no such cache"));
        assert_eq!(known.complaints().collect::<Vec<_>>(), ["another node was passed over: n2: bad"]);
        known.take(Fetched { path: path("web"), result: Ok(()), complaints: Vec::new() });
        assert_eq!(known.waits(&unit, "x86_64-linux"), None);
        // That it was not built is for the driver to say.
        assert_eq!(known.waits(&unit, "aarch64-linux"), None);
    }

    #[tokio::test]
    async fn what_came_from_others_goes_when_the_closure_is_fetched_without_them() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("nix");
        // It gets nothing but from the one cache, which it is not to ask where other nodes are asked.
        let script =
            "#!/bin/sh\ncase \"$*\" in --version) echo 'nix (Nix) 2.26.3' ;; *cache.invalid*) ;; *) exit 1 ;; esac\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let sources = Sources {
            substituters: vec!["http://cache.invalid".into()],
            trusted_keys: vec![SecretKey::generate("k").unwrap().public().to_string()],
            asked_anew: false,
        };
        let (node, servers) = ("n1".parse().unwrap(), Servers::new(&["http://127.0.0.1:1".into()], None));
        let config = ExchangeConfig { listen: ([127, 0, 0, 1], 0).into(), authorities: "/nowhere".into() };
        let parts = home.path().join("parts");
        let exchange = Exchange::new(node, servers, sources.clone(), None, &config, parts.clone());
        drop(exchange.open(&path("web")).await.unwrap());
        assert_eq!(fs::read_dir(&parts).unwrap().count(), 1);
        let fetch = FetchClosures {
            nix: NixConfig { program: program.into(), store: None },
            sources,
            folder: home.path().join("links"),
            retry: Duration::from_secs(1),
            exchange: Some(exchange),
            missing: watch::channel(BTreeSet::new()).1,
        };
        assert_eq!(fetch.fetch(&mut None, &path("web")).await, (Ok(()), Vec::new()));
        assert_eq!(fs::read_dir(&parts).unwrap().count(), 0);
    }

    #[test]
    fn what_is_neither_wanted_nor_runs_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = Closures::new(folder.path().into());
        for name in ["a", "b", "c"] {
            symlink(path(name).as_str(), folder.path().join(path(name).base_name())).unwrap();
            known.take(Fetched { path: path(name), result: Ok(()), complaints: Vec::new() });
        }
        let program = format!("{}/bin/b", path("b"));
        known.keep_only(&BTreeSet::from([path("a")]), [Path::new(&program)].into_iter());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|link| link.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [path("a").base_name(), path("b").base_name()]);
        let wanted = BTreeSet::from([path("a"), path("c")]);
        assert_eq!(known.missing(&wanted), BTreeSet::from([path("c")]));
    }
}
