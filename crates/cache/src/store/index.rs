use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::store_path::{PathHash, StorePath};

/// How coarse the times of files may be: a folder that was written to this shortly before it was read may have been written
/// to again since, with the same time.
const COARSE: Duration = Duration::from_millis(50);

/// The names in a store's folder, by what they begin with.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: HashMap<PathHash, StorePath>,
    /// When the folder had been written to, as of the last reading; `None` if that may happen unseen.
    as_of: Option<SystemTime>,
}

impl Index {
    /// The path that begins so, if the folder has one.
    pub(super) fn find(&mut self, folder: &Path, hash: PathHash) -> io::Result<Option<StorePath>> {
        if let Some(found) = self.names.get(&hash) {
            // Of one that has been removed, its metadata will tell.
            return Ok(Some(found.clone()));
        }
        let modified = match std::fs::metadata(folder) {
            Ok(metadata) => metadata.modified()?,
            // Nix makes it with the first path.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.as_of != Some(modified) {
            self.names.clear();
            for entry in std::fs::read_dir(folder)? {
                if let Some(path) = entry?.file_name().to_str().and_then(|name| name.parse::<StorePath>().ok())
                    && !path.as_str().ends_with(".lock")
                {
                    self.names.insert(path.hash(), path);
                }
            }
            let settled = SystemTime::now().duration_since(modified).is_ok_and(|age| age > COARSE);
            self.as_of = settled.then_some(modified);
        }
        Ok(self.names.get(&hash).cloned())
    }
}
