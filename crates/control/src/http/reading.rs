use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use icefield_api::Stale;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::failure::Failure;
use super::watch::query;
use crate::State;

/// How a request wants to be answered that reads something and waits for nothing.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    /// Whether by what this server has itself.
    #[serde(default)]
    pub(crate) stale: bool,
}

/// The state that an answer is made from.
pub(crate) struct Read {
    pub(crate) state: Arc<State>,
    /// Of when it is, if it may be out of date.
    pub(crate) stale: Option<Stale>,
}

/// An answer that may be out of date, and then says so in its head too.
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    pub(crate) stale: Option<Stale>,
}

impl Read {
    /// The state as it is now, for sure, or as this server has it.
    pub(crate) async fn new(app: &App, stale: bool) -> Result<Self, Failure> {
        if stale {
            return Ok(Self::again(app, stale).await);
        }
        Ok(Self { state: app.state().await?, stale: None })
    }

    /// The state after a wait that began with [`Self::new`].
    pub(crate) async fn again(app: &App, stale: bool) -> Self {
        let state = app.group.state().await;
        let stale = stale.then(|| app.stale(&state));
        Self { state, stale }
    }

    /// The same for a request with this query.
    pub(crate) async fn of(app: &App, uri: &Uri) -> Result<Self, Failure> {
        let Reading { stale } = query(uri)?;
        Self::new(app, stale).await
    }

    /// An answer made from it.
    pub(crate) fn answer<T>(&self, body: T) -> Answer<T> {
        Answer { body, stale: self.stale }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        say(self.stale, Json(self.body).into_response())
    }
}

/// Says in an answer's head of when it is.
pub(crate) fn say(stale: Option<Stale>, mut response: Response) -> Response {
    if let Some(value) = stale.and_then(|stale| HeaderValue::from_str(&stale.header()).ok()) {
        response.headers_mut().insert(HeaderName::from_static(Stale::HEADER), value);
    }
    response
}

/// Whether a request wants what this server has itself. What is wrong with its query is told by its handler.
pub(crate) fn is_stale(method: &Method, uri: &Uri) -> bool {
    #[derive(Deserialize)]
    struct Wanted {
        #[serde(default)]
        stale: bool,
    }
    method.is_safe() && Query::<Wanted>::try_from_uri(uri).is_ok_and(|query| query.0.stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_and_says_so_may_be_out_of_date() {
        let stale = |method: &str, uri: &str| is_stale(&method.parse().unwrap(), &uri.parse().unwrap());
        assert!(stale("GET", "/v1/status?stale=true"));
        assert!(stale("GET", "/v1/status?after=3&stale=true&wait=5"));
        assert!(!stale("GET", "/v1/status?stale=false"));
        assert!(!stale("GET", "/v1/status?stale=yes"));
        assert!(!stale("GET", "/v1/status"));
        assert!(!stale("POST", "/v1/apply?stale=true"));
    }
}
