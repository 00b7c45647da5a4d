use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::Duration;

use rustix::fs::FlockOperation;
use serde::Serialize;

use super::{Folder, is_older};
use crate::store_path::PathHash;

/// What may be removed.
#[derive(Debug, Clone)]
pub struct Collection {
    /// What stays, with all that it refers to; `None` if age alone decides.
    pub roots: Option<Vec<PathHash>>,
    /// Only what came longer ago than this goes; what younger paths refer to stays too. It is what gives an upload the time
    /// to become reachable.
    pub older_than: Duration,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Collected {
    /// The paths, without their folder.
    pub removed: Vec<String>,
    /// How many paths stay.
    pub kept: usize,
    /// How many bytes are free again.
    pub freed_bytes: u64,
}

impl Folder {
    /// Removes paths. What a client is getting it gets to its end; uploads wait meanwhile, and find what they refer to or
    /// are told that it is gone.
    ///
    /// # Errors
    /// The folder or a narinfo cannot be read, and nothing was removed; or a file cannot be removed. What is then left is whole.
    pub fn collect(&self, what: &Collection) -> io::Result<Collected> {
        let _lock = self.lock(FlockOperation::LockExclusive)?;
        let hashes = self.hashes()?;
        let mut infos = HashMap::new();
        let mut stays: Vec<PathHash> = what.roots.clone().unwrap_or_default();
        for hash in &hashes {
            let name = format!("{hash}.narinfo");
            let unread = |error: io::Error| {
                io::Error::new(error.kind(), format!("{name} cannot be read: {error}; nothing was removed"))
            };
            let file = fs::metadata(self.path.join(&name)).map_err(unread)?;
            if !is_older(file.modified()?, what.older_than) {
                stays.push(*hash);
            }
            match self.narinfo(*hash) {
                Ok(kept) => infos.extend(kept.map(|kept| (*hash, kept))),
                // One that is none refers to nothing that is known; `verify` tells of it.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                // What cannot be read now may refer to anything.
                Err(error) => return Err(unread(error)),
            }
        }
        let mut reached = HashSet::new();
        while let Some(hash) = stays.pop() {
            if reached.insert(hash)
                && let Some(kept) = infos.get(&hash)
            {
                stays.extend(kept.info.references.iter().map(crate::StorePath::hash));
            }
        }
        let mut collected = Collected::default();
        let mut needed: HashSet<&str> = HashSet::new();
        for hash in &hashes {
            if reached.contains(hash) {
                collected.kept += 1;
                needed.extend(infos.get(hash).and_then(|kept| kept.info.file_name()));
            }
        }
        // The narinfos first: none is ever there without its NAR.
        for hash in hashes.iter().filter(|hash| !reached.contains(hash)) {
            let name = infos.get(hash).map_or_else(|| hash.to_string(), |kept| kept.info.path.to_string());
            collected.removed.push(name);
            for ending in ["narinfo", "ls"] {
                collected.freed_bytes += self.remove(&format!("{hash}.{ending}"), what.dry_run)?;
            }
        }
        super::sync(&self.path)?;
        for entry in fs::read_dir(self.path.join("nar"))? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if !needed.contains(name) && is_older(entry.metadata()?.modified()?, what.older_than) {
                collected.freed_bytes += self.remove(&format!("nar/{name}"), what.dry_run)?;
            }
        }
        collected.removed.sort();
        Ok(collected)
    }

    /// Removes a file, if it is there, and says how large it was.
    fn remove(&self, name: &str, dry_run: bool) -> io::Result<u64> {
        let path = self.path.join(name);
        let size = match fs::metadata(&path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        if !dry_run {
            fs::remove_file(path)?;
        }
        Ok(size)
    }
}
