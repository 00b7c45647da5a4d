use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{Answer, Refusal, text};
use super::limits::TURN;
use super::{Body, Cache, Limits};
use crate::narinfo::is_file_name;
use crate::store_path::PathHash;
use crate::turn::Turn;

/// Answers requests.
pub(super) struct Service {
    pub(super) cache: Arc<Cache>,
    /// Who may be looking at an upload.
    pub(super) uploads: Semaphore,
    /// Who may be getting a NAR.
    pub(super) sending: Arc<Semaphore>,
    /// Who may have a thread wait for a client.
    reading: Arc<Semaphore>,
    /// While more than this may still begin to, processors are idle.
    pub(super) idle_above: usize,
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// What this is, for people.
    Home,
    /// Whether it is well.
    Health,
    /// What the cache says of itself.
    CacheInfo,
    /// A path.
    NarInfo(PathHash),
    /// What is in a path.
    Listing(PathHash),
    /// A NAR, and the path that it is asked for.
    Nar(&'a str, Option<PathHash>),
    /// Something else that Nix leaves with a cache.
    Extra(&'a str),
}

/// The folders of what else Nix leaves with a cache.
const EXTRAS: [&str; 4] = ["log/", "realisations/", "build-trace-v2/", "debuginfo/"];

impl<'a> Target<'a> {
    fn of(path: &'a str, query: Option<&str>) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        if let Some(file) = name.strip_prefix("nar/") {
            let hash = query.and_then(|query| query.split('&').find_map(|one| one.strip_prefix("hash=")));
            return is_file_name(file).then(|| Self::Nar(file, hash.and_then(|hash| hash.parse().ok())));
        }
        match name {
            "" => return Some(Self::Home),
            "healthz" => return Some(Self::Health),
            "nix-cache-info" => return Some(Self::CacheInfo),
            _ => {}
        }
        if let Some(hash) = name.strip_suffix(".narinfo") {
            return Some(Self::NarInfo(hash.parse().ok()?));
        }
        if let Some(hash) = name.strip_suffix(".ls") {
            return Some(Self::Listing(hash.parse().ok()?));
        }
        let rest = EXTRAS.iter().find_map(|folder| name.strip_prefix(folder))?;
        let parts: Vec<&str> = rest.split('/').collect();
        // What a realisation is of is written with a `!`.
        let fits = |part: &&str| is_file_name(&part.replace(['!', ':', '^'], "-"));
        (parts.len() <= 2 && parts.iter().all(fits)).then_some(Self::Extra(name))
    }
}

impl Service {
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        let uploads = Semaphore::new(cache.limits.uploads.max(1));
        let reading = Arc::new(Semaphore::new(cache.limits.reading.max(1)));
        let most = cache.limits.sending.clamp(1, Semaphore::MAX_PERMITS);
        let idle_above = most.saturating_sub(std::thread::available_parallelism().map_or(1, usize::from));
        Self { cache, uploads, sending: Arc::new(Semaphore::new(most)), reading, idle_above }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.cache.limits
    }

    /// Waits for leave to have a thread wait for a client.
    pub(super) async fn turn(&self) -> Result<Turn, Refusal> {
        match timeout(TURN, Arc::clone(&self.reading).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn::new(permit, self.limits().pause)),
            _ => Err(Refusal::busy()),
        }
    }

    /// Answers a request; whatever it is, there is an answer.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let result = match Target::of(head.uri.path(), head.uri.query()) {
            None => Err(Refusal::not_found("there is nothing of that name in a Nix binary cache")),
            // So an upload that was cut off goes on where it was: what came whole is not sent again.
            Some(Target::Nar(name, _)) if head.method == Method::HEAD && self.waits(name, &head.headers) => {
                Ok(text(StatusCode::OK, ""))
            }
            Some(target) if head.method == Method::GET || head.method == Method::HEAD => {
                self.read(&target, &head.headers).await
            }
            Some(target) if head.method == Method::PUT => self.take(&target, &head.headers, body).await,
            Some(_) => {
                let mut answer =
                    text(StatusCode::METHOD_NOT_ALLOWED, "a Nix binary cache knows GET, HEAD and PUT alone\n");
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT"));
                Ok(answer)
            }
        };
        let mut answer = result.unwrap_or_else(|refusal| {
            // What is unavailable for more than a moment is told of where that is known.
            if refusal.status.is_server_error() && refusal.status != StatusCode::SERVICE_UNAVAILABLE {
                tracing::warn!(path = head.uri.path(), status = refusal.status.as_u16(), "{}", refusal.message);
            } else {
                tracing::debug!(path = head.uri.path(), status = refusal.status.as_u16(), "{}", refusal.message);
            }
            refusal.answer()
        });
        if head.method == Method::HEAD {
            if let Some(length) = hyper::body::Body::size_hint(answer.body()).exact() {
                answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            }
            *answer.body_mut() = Body::Whole(bytes::Bytes::new());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "q21fflpvcd8pl7zsyj2437gljcpv3g8m";

    #[test]
    fn names_are_told_apart() {
        let hash: PathHash = HASH.parse().unwrap();
        assert_eq!(Target::of("/nix-cache-info", None), Some(Target::CacheInfo));
        assert_eq!(Target::of(&format!("/{HASH}.narinfo"), None), Some(Target::NarInfo(hash)));
        assert_eq!(Target::of(&format!("/{HASH}.ls"), None), Some(Target::Listing(hash)));
        assert_eq!(Target::of("/nar/x.nar.zst", None), Some(Target::Nar("x.nar.zst", None)));
        let query = format!("a=b&hash={HASH}");
        assert_eq!(Target::of("/nar/x.nar", Some(&query)), Some(Target::Nar("x.nar", Some(hash))));
        let realisation = "realisations/sha256:ba7816bf!out.doi";
        assert_eq!(Target::of(&format!("/{realisation}"), None), Some(Target::Extra(realisation)));
    }

    #[test]
    fn nothing_leads_elsewhere() {
        for path in [
            "",
            "x",
            "/../etc/passwd",
            "/nar/../x",
            "/nar/.hidden",
            "/nar/",
            "/log/../../x",
            "/log/.lock",
            "/log/a/b/c",
            "/.lock",
            "/.incoming/x",
            "/x.narinfo",
            "/../q21fflpvcd8pl7zsyj2437gljcpv3g8m.narinfo",
        ] {
            assert_eq!(Target::of(path, None), None, "{path}");
        }
    }
}
