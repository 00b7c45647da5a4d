//! Brings paths of a store into a cache, with all that they need.

mod pack;
mod place;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use self::pack::{Packed, pack};
pub use self::place::Place;
use crate::narinfo::NarInfo;
use crate::signature::SecretKey;
use crate::store::{NixStore, QueryError};
use crate::store_path::StorePath;

/// How many paths are packed and sent at once.
const AT_ONCE: usize = 4;

/// How paths are brought into a cache.
#[derive(Debug)]
pub struct Push {
    /// Where they are.
    pub store: Arc<NixStore>,
    /// Where they go.
    pub to: Place,
    /// What they are signed with, besides the signatures that they have.
    pub keys: Vec<SecretKey>,
    /// How much Zstandard tries, from 1 to 19; `None` leaves NARs as they are.
    pub level: Option<i32>,
}

/// What became of a path.
#[derive(Debug, Clone)]
pub enum Pushed {
    /// The cache had it.
    There(StorePath),
    /// It was sent, and has so many bytes there.
    Sent(StorePath, u64),
}

/// Paths cannot be brought into a cache.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The store does not say what it has.
    #[error(transparent)]
    Store(#[from] QueryError),
    /// A path that is asked for is not in the store.
    #[error("{0} is not in the store")]
    NotThere(String),
    /// A path cannot be read.
    #[error("{path} cannot be packed: {source}")]
    Pack {
        /// The path.
        path: StorePath,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The cache does not take something.
    #[error("the cache does not take {path}: {problem}")]
    Refused {
        /// What it does not take.
        path: String,
        /// What it says.
        problem: String,
    },
}

impl Push {
    /// Brings these paths and all that they need into the cache, each after what it refers to; `tell` is told of each one.
    ///
    /// # Errors
    /// Something cannot be read, or is not taken. What was told of is there; what is sent again goes on from there.
    pub async fn run(&self, paths: &[StorePath], tell: &mut dyn FnMut(Pushed)) -> Result<(), PushError> {
        let closure = self.store.closure(paths).await?;
        if let Some(missing) = paths.iter().find(|path| !closure.contains_key(path)) {
            return Err(PushError::NotThere(self.store.dir().join(missing)));
        }
        let order = in_order(&closure);
        let mut packed = stream::iter(order.into_iter().map(|info| self.send_nar(info))).buffered(AT_ONCE);
        while let Some(sent) = packed.next().await {
            match sent? {
                (info, None) => tell(Pushed::There(info.path.clone())),
                (info, Some(size)) => {
                    self.to.publish(&info).await?;
                    tell(Pushed::Sent(info.path.clone(), size));
                }
            }
        }
        Ok(())
    }

    /// Sends the NAR of a path, unless the cache has the path.
    async fn send_nar(&self, info: &NarInfo) -> Result<(NarInfo, Option<u64>), PushError> {
        if self.to.has(info.path.hash()).await? {
            return Ok((info.clone(), None));
        }
        let (path, real, level) = (info.path.clone(), self.store.real_path(info), self.level);
        let packed = tokio::task::spawn_blocking(move || pack(&real, level)).await;
        let packed = packed.unwrap_or_else(|_| Err(std::io::Error::other("packing was ended")));
        let Packed { file, checked, compression } = packed.map_err(|source| PushError::Pack { path, source })?;
        let mut info = info.clone();
        if let Some(problem) = checked.differs(&NarInfo { file_hash: None, file_size: None, ..info.clone() }) {
            let source = std::io::Error::other(format!("it is damaged: {problem}"));
            return Err(PushError::Pack { path: info.path, source });
        }
        info.url = format!("nar/{}.nar{}", checked.file_hash.base32(), compression.extension());
        (info.file_hash, info.file_size) = (Some(checked.file_hash), Some(checked.file_size));
        info.compression = compression;
        for key in &self.keys {
            info.sign(key);
        }
        self.to.put_nar(&info, file, checked.file_size).await?;
        Ok((info, Some(checked.file_size)))
    }
}

/// Each path after all that it refers to.
fn in_order(closure: &HashMap<StorePath, NarInfo>) -> Vec<&NarInfo> {
    let mut order = Vec::new();
    let mut seen: HashSet<&StorePath> = HashSet::new();
    let mut names: Vec<&StorePath> = closure.keys().collect();
    names.sort();
    for name in names {
        // What is to be done: look at what a path refers to, then take the path.
        let mut stack = vec![(name, false)];
        while let Some((name, ready)) = stack.pop() {
            let Some(info) = closure.get(name) else { continue };
            if ready {
                order.push(info);
            } else if seen.insert(name) {
                stack.push((name, true));
                stack.extend(info.references.iter().filter(|other| !seen.contains(other)).map(|other| (other, false)));
            }
        }
    }
    order
}
