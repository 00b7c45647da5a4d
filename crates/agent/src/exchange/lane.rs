use std::io;
use std::sync::Arc;

use icefield_cache::{CacheInfo, Fetcher, Limits, Security, Server, StoreDir};
use icefield_nix::Sources;
use tokio::task::AbortHandle;

use super::reach::without_nix;
use super::served::served;

/// What `nix` gets a closure by: a cache on a loopback address, as long as this is there.
pub(crate) struct Lane {
    fetcher: Arc<Fetcher>,
    sources: Sources,
    serving: AbortHandle,
}

/// Which cache `nix` asks first: this one.
const PRIORITY: u32 = 1;

impl Lane {
    /// A lane for what `fetcher` gets; `sources` are where `nix` fetches from else.
    pub(super) async fn open(fetcher: Arc<Fetcher>, sources: &Sources) -> io::Result<Self> {
        let info = CacheInfo { priority: PRIORITY, ..fetcher.folder().info().clone() };
        let cache = served(info, Some(Arc::clone(&fetcher)), Limits::default());
        let server = Server::bind(([127, 0, 0, 1], 0).into(), cache).await?;
        let mut url = format!("http://{}", server.address());
        let dir = &fetcher.folder().info().store_dir;
        if *dir != StoreDir::default() {
            // Nix believes of no cache that it is of another folder, unless it is told.
            url.push_str(&format!("?store={dir}"));
        }
        let serving = tokio::spawn(server.run_until(Security::Plain, std::future::pending())).abort_handle();
        // The caches that the fetcher asks itself are left out here: if it cannot get a path from them, no other try is made
        // before the one without it.
        let others = sources.substituters.iter().filter(|url| without_nix(url).is_none()).cloned();
        let substituters = std::iter::once(url).chain(others).collect();
        let sources = Sources { substituters, asked_anew: true, ..sources.clone() };
        Ok(Self { fetcher, sources, serving })
    }

    /// Where `nix` is to fetch from.
    pub(crate) const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What other nodes have sent that they must not.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.fetcher.complaints()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
