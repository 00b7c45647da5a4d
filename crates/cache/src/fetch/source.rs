use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use icefield_api::Http;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Response, StatusCode};

use super::VIA;
use crate::narinfo::{LARGEST_NARINFO, NarInfo};
use crate::store_path::PathHash;

/// How long a source may take to say what it knows of a path.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a source may send nothing of a NAR.
pub(super) const PAUSE: Duration = Duration::from_secs(30);
/// For how long a source that could not be reached is not asked again.
const DOWN: Duration = Duration::from_secs(5);

/// A cache to get paths from.
pub struct Source {
    url: String,
    http: Http,
    down_since: Mutex<Option<Instant>>,
}

impl Source {
    /// The cache at an address, such as `http://10.0.0.1:7790`, reached so.
    pub fn new(url: impl Into<String>, http: Http) -> Self {
        let url: String = url.into();
        Self { url: url.trim_end_matches('/').to_owned(), http, down_since: Mutex::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    async fn get(&self, path: &str, via: Option<&str>, from: u64) -> Result<Response, String> {
        let down = *self.down_since.lock().unwrap_or_else(PoisonError::into_inner);
        if down.is_some_and(|since| since.elapsed() < DOWN) {
            return Err("it could not be reached a moment ago".into());
        }
        let mut request = self.http.get().get(format!("{}/{path}", self.url));
        if let Some(via) = via {
            request = request.header(VIA, via);
        }
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let answer = request.send().await;
        let unreachable = answer.as_ref().is_err_and(reqwest::Error::is_connect);
        *self.down_since.lock().unwrap_or_else(PoisonError::into_inner) = unreachable.then(Instant::now);
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
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err("it does not answer".into()))
    }

    /// Begins to get a NAR, from the byte `from` on if it can; where what it sends begins is told.
    pub(super) async fn nar(&self, url: &str, via: Option<&str>, from: u64) -> Result<(Response, u64), String> {
        let ask = tokio::time::timeout(PAUSE, self.get(url, via, from));
        let answer = ask.await.unwrap_or_else(|_| Err("it does not answer".into()))?;
        match answer.status() {
            StatusCode::OK => Ok((answer, 0)),
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
                let begins = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
                if begins == Some(from) { Ok((answer, from)) } else { Err("it sends another part".into()) }
            }
            status => Err(format!("it answers {status} for {url}")),
        }
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
