use std::fs;
use std::path::{Path, PathBuf};

use icefield_spec::Revision;
use serde::{Deserialize, Serialize};

use super::layout::{Layout, Running, write_json};
use crate::command_error::CommandError;
use crate::home::home;

/// The dev clusters of this user, so that commands find them by themselves.
#[derive(Debug)]
pub(crate) struct Registry {
    folder: PathBuf,
}

/// One entry: where a dev cluster keeps its data.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    data: PathBuf,
}

impl Registry {
    /// This user's registry.
    pub(crate) fn open() -> Result<Self, CommandError> {
        Ok(Self { folder: home()?.join("dev") })
    }

    /// A data folder for a cluster that keeps none.
    pub(crate) fn temporary_data(&self) -> PathBuf {
        self.folder.join(format!("data-{}", std::process::id()))
    }

    /// Makes a cluster known.
    pub(crate) fn add(&self, data: &Path) -> Result<(), CommandError> {
        fs::create_dir_all(&self.folder)
            .map_err(|error| CommandError::because(format!("cannot create {}", self.folder.display()), &error))?;
        write_json(&self.entry(data), &Entry { data: data.to_path_buf() })
    }

    /// Forgets a cluster.
    pub(crate) fn remove(&self, data: &Path) {
        // An entry whose cluster is gone is passed over anyway.
        let _ = fs::remove_file(self.entry(data));
    }

    /// Every known cluster, running or left behind.
    pub(crate) fn layouts(&self) -> Vec<Layout> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut known: Vec<PathBuf> = entries
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|entry| Some(serde_json::from_slice::<Entry>(&fs::read(entry.path()).ok()?).ok()?.data))
            .collect();
        known.sort();
        known.into_iter().map(Layout::new).collect()
    }

    /// The clusters that run now.
    pub(crate) fn running(&self) -> Vec<Running> {
        let layouts = self.layouts().into_iter().filter(Layout::is_locked);
        layouts.filter_map(|layout| layout.read_running()).collect()
    }

    /// The cluster that runs; an error if several do, because commands could mean either.
    pub(crate) fn only_running(&self) -> Result<Option<Running>, CommandError> {
        let mut running = self.running();
        if running.len() < 2 {
            return Ok(running.pop());
        }
        let error = CommandError::new("several dev clusters are running; say which one is meant");
        Err(running.iter().fold(error, |error, cluster| {
            let (file, data) = (cluster.file.display(), cluster.data.display());
            error.cause(format!("{file}: --server {}, or --data {data} with `dev`", cluster.urls()[0]))
        }))
    }

    /// The cluster with its data in `data`, or the only one that runs.
    pub(crate) fn find(&self, data: Option<&Path>) -> Result<Option<Running>, CommandError> {
        let Some(data) = data else { return self.only_running() };
        let data = fs::canonicalize(data)
            .map_err(|error| CommandError::because(format!("cannot find {}", data.display()), &error))?;
        let layout = Layout::new(data);
        Ok(layout.read_running().filter(|_| layout.is_locked()))
    }

    fn entry(&self, data: &Path) -> PathBuf {
        let data = fs::canonicalize(data).unwrap_or_else(|_| data.to_path_buf());
        self.folder.join(format!("{}.json", Revision::of(&data.to_string_lossy()).short()))
    }
}
