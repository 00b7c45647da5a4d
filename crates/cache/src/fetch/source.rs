use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use icefield_api::Http;
use reqwest::header::{CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::{CLOSURE, VIA};
use crate::narinfo::{LARGEST_NARINFO, NarInfo};
use crate::store_path::PathHash;

/// How long a source may take to say what it knows of a path.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a source may send nothing of a NAR.
const PAUSE: Duration = Duration::from_secs(30);
/// For how long a source that could not be reached is not asked again.
const DOWN: Duration = Duration::from_secs(5);
/// The same of a peer that has not answered in time, or has sent what it must not: others have it too.
const PASSED_OVER: Duration = Duration::from_secs(120);
/// How long a peer may be silent, for each peer that it may itself be waiting for.
const PEERS_PATIENCE: Duration = Duration::from_millis(1500);
/// How many peers may be waiting for each other.
const DEEP: usize = 6;

/// A cache to get paths from.
pub struct Source {
    url: String,
    http: Http,
    /// Whether it is another node, which may be replaced by others.
    peer: bool,
    /// The closure that all that it is asked for belongs to.
    closure: Option<PathHash>,
    /// Until when it is not asked.
    down_until: Mutex<Option<Instant>>,
}

/// Why a source does not give a NAR.
pub(super) enum Refused {
    /// It is busy, and is to be asked again after this time.
    Busy(Duration),
    /// Something else.
    For(String),
}

impl Source {
    /// The cache at an address, such as `http://10.0.0.1:7790`, reached so.
    pub fn new(url: impl Into<String>, http: Http) -> Self {
        let url: String = url.into();
        let url = url.trim_end_matches('/').to_owned();
        Self { url, http, peer: false, closure: None, down_until: Mutex::default() }
    }

    /// Another node at an address, which is asked for paths of the closure that begins with `closure`: it gets them itself if
    /// it is to have that, and is passed over when it is silent or lies.
    pub fn peer(url: impl Into<String>, http: Http, closure: PathHash) -> Self {
        Self { peer: true, closure: Some(closure), ..Self::new(url, http) }
    }

    pub(super) const fn is_peer(&self) -> bool {
        self.peer
    }

    /// How long it may be silent. Who is asked by way of others must give up before they do.
    fn patience(&self, usual: Duration, via: Option<&str>) -> Duration {
        if !self.peer {
            return usual;
        }
        // The list begins with the one that asks, so that its length says how many wait for it.
        let waiting = via.map_or(0, |via| via.split(',').count()).min(DEEP);
        PEERS_PATIENCE * u32::try_from(DEEP + 1 - waiting).unwrap_or(1)
    }

    /// A peer that does not do its part is left alone for a while.
    pub(super) fn pass_over(&self) {
        if self.peer {
            self.down_for(PASSED_OVER);
        }
    }

    fn down_for(&self, time: Duration) {
        *self.down_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    async fn get(&self, path: &str, via: Option<&str>, from: u64) -> Result<Response, String> {
        let down = *self.down_until.lock().unwrap_or_else(PoisonError::into_inner);
        if down.is_some_and(|until| Instant::now() < until) {
            return Err("it has failed a moment ago".into());
        }
        let mut request = self.http.get().get(format!("{}/{path}", self.url));
        if let Some(via) = via {
            request = request.header(VIA, via);
        }
        if let Some(closure) = self.closure {
            request = request.header(CLOSURE, closure.as_str());
        }
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let answer = request.send().await;
        if answer.as_ref().is_err_and(reqwest::Error::is_connect) {
            self.down_for(DOWN);
        }
        answer.map_err(|error| told(&error))
    }

    /// What it says of a path; `None` if it does not have it.
    pub(super) async fn narinfo(&self, hash: PathHash, via: Option<&str>) -> Result<Option<NarInfo>, String> {
        let ask = async {
            let mut answer = self.get(&format!("{hash}.narinfo"), via, 0).await?;
            match answer.status() {
                StatusCode::OK => {}
                // What a bucket says of what it does not have.
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
                status => return Err(format!("it answers {status}")),
            }
            let mut text = Vec::new();
            while let Some(more) = answer.chunk().await.map_err(|error| told(&error))? {
                text.extend_from_slice(&more);
                if text.len() > LARGEST_NARINFO {
                    return Err("its narinfo is too large".into());
                }
            }
            let text = String::from_utf8(text).map_err(|_| "its narinfo is no text".to_owned())?;
            text.parse().map(Some).map_err(|error| format!("its narinfo cannot be read: {error}"))
        };
        tokio::time::timeout(self.patience(PATIENCE, via), ask).await.unwrap_or_else(|_| Err(self.is_silent()))
    }

    fn is_silent(&self) -> String {
        self.pass_over();
        "it does not answer".into()
    }

    /// Begins to get a NAR, from the byte `from` on if it can; where what it sends begins is told.
    pub(super) async fn nar(&self, url: &str, via: Option<&str>, from: u64) -> Result<(Response, u64), Refused> {
        let ask = tokio::time::timeout(self.patience(PAUSE, via), self.get(url, via, from));
        let answer = ask.await.unwrap_or_else(|_| Err(self.is_silent())).map_err(Refused::For)?;
        match answer.status() {
            StatusCode::OK => Ok((answer, 0)),
            StatusCode::SERVICE_UNAVAILABLE if self.peer => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
                Err(Refused::Busy(Duration::from_secs(after.unwrap_or(1)).min(PATIENCE)))
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
                let begins = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
                if begins == Some(from) {
                    Ok((answer, from))
                } else {
                    Err(Refused::For("it sends another part".into()))
                }
            }
            status => Err(Refused::For(format!("it answers {status} for {url}"))),
        }
    }

    /// How long it may send nothing of a NAR that it has begun to send.
    pub(super) fn pause(&self, via: Option<&str>) -> Duration {
        self.patience(PAUSE, via)
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

/// An error of a request with all that led to it.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
