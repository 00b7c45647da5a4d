use std::sync::Arc;

use icefield_cache::{Cache, CacheInfo, Fetcher, Limits, Tokens};

/// A cache of what `fetcher` gets, into which nobody uploads.
pub(super) fn served(info: CacheInfo, fetcher: Option<Arc<Fetcher>>, limits: Limits) -> Cache {
    let folder = fetcher.as_ref().map(|fetcher| Arc::clone(fetcher.folder()));
    let (keys, trusted, tokens) = (Vec::new(), Vec::new(), Tokens::default());
    Cache { info, folder, store: None, fetcher, closures: None, keys, trusted, tokens, limits }
}
