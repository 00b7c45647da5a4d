use std::path::PathBuf;

use icefield_api::{ClosurePeer, Http, HttpOptions, Keyring};
use icefield_cache::{PathHash, Security, Source, public_config};
use icefield_nix::Sources;
use icefield_pki::Expect;

/// How others are reached, and reach this node.
pub(super) struct Reach {
    keyring: Option<Keyring>,
    authorities: PathBuf,
}

/// Each NAR has a connection for itself.
fn apart() -> HttpOptions {
    HttpOptions { apart: true, ..HttpOptions::default() }
}

impl Reach {
    pub(super) const fn new(keyring: Option<Keyring>, authorities: PathBuf) -> Self {
        Self { keyring, authorities }
    }

    /// How connections to this node are secured.
    pub(super) fn security(&self) -> Security {
        self.keyring.clone().map_or(Security::Plain, Security::Members)
    }

    /// Another node, as a source of the closure that begins with `hash`: nobody else at its address is believed.
    pub(super) fn peer(&self, peer: &ClosurePeer, hash: PathHash) -> Option<Source> {
        let http = match &self.keyring {
            Some(keyring) if peer.url.starts_with("https://") => {
                Http::new(apart(), Some(keyring.client_config(Expect::Node(peer.node.clone()))))
            }
            None if peer.url.starts_with("http://") => Http::new(apart(), None),
            _ => {
                tracing::warn!(node = %peer.node, url = peer.url, "it is not asked: it is not secured as this cluster is");
                return None;
            }
        };
        Some(Source::peer(&peer.url, http, hash))
    }

    /// The caches that are asked on behalf of `nix`, see [`without_nix`].
    pub(super) fn upstreams(&self, sources: &Sources) -> Vec<Source> {
        let urls = sources.substituters.iter().filter_map(|url| without_nix(url));
        urls.filter_map(|url| Some(Source::new(url, self.upstream(url)?))).collect()
    }

    fn upstream(&self, url: &str) -> Option<Http> {
        if url.starts_with("http://") {
            return Some(Http::new(apart(), None));
        }
        let text = std::fs::read_to_string(&self.authorities).map_err(|error| error.to_string());
        match text.and_then(|text| public_config(&text).map_err(|error| error.to_string())) {
            Ok(config) => Some(Http::new(apart(), Some(config))),
            Err(error) => {
                let authorities = self.authorities.display();
                tracing::warn!(url, %authorities, error, "the authorities that it would be trusted by cannot be read");
                None
            }
        }
    }
}

/// Where a cache is asked by others than `nix`: it must be plain HTTP or HTTPS, and what stands behind a `?` must be no more than
/// the folder of its paths. All others `nix` asks itself.
pub(super) fn without_nix(url: &str) -> Option<&str> {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let usual = query.is_empty() || (query.starts_with("store=") && !query.contains('&'));
    (usual && (url.starts_with("http://") || url.starts_with("https://"))).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_that_only_nix_knows_how_to_ask_are_left_to_it() {
        for (url, asked) in [
            ("https://cache.example", Some("https://cache.example")),
            ("http://10.0.0.1:7790/?store=/other/store", Some("http://10.0.0.1:7790/")),
            ("https://cache.example?priority=10", None),
            ("https://cache.example?store=/x&trusted=true", None),
            ("file:///var/cache", None),
            ("s3://bucket", None),
        ] {
            assert_eq!(without_nix(url), asked, "{url}");
        }
    }
}
