//! How a request is sent: to one server after the other, and again, until one answers.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::request::Request;
use super::retry::Retry;
use super::{Client, ClientError};
use crate::{ErrorCode, IdempotencyKey, ServerStatus};

impl Client {
    pub(super) async fn watch<T: DeserializeOwned>(
        &self,
        path: &str,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let path = match after {
            Some(after) => format!("{path}?after={after}&wait={}", wait.as_millis()),
            None => path.to_owned(),
        };
        self.answer(Request { timeout: Some(Self::ANSWER + wait), ..Request::get(self.reading(path)) }).await
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(Request::get(self.reading(path.to_owned()))).await
    }

    /// The path of a reading request, with the wish that answers may be out of date if this client has it.
    pub(super) fn reading(&self, path: String) -> String {
        match path.contains('?') {
            _ if !self.stale => path,
            true => format!("{path}&stale=true"),
            false => format!("{path}?stale=true"),
        }
    }

    /// Asks for something to be taken away: once, however often it must be asked for.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let key = Some(IdempotencyKey::fresh());
        self.answer(Request { method: Method::DELETE, key, ..Request::get(path.to_owned()) }).await
    }

    /// Asks for something that changes nothing.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        self.answer(Request { timeout: Some(timeout), ..Request::post(path, body)? }).await
    }

    /// Asks for a change: once, however often it must be asked for.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.answer(Request { key: Some(IdempotencyKey::fresh()), ..Request::post(path, body)? }).await
    }

    /// Sends a request until it is answered or its time is over, and reads the answer.
    pub(super) async fn answer<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        let mut retry = Retry::new(Instant::now() + self.patience);
        loop {
            let unanswered = match self.round(&request, Self::whole).await {
                Ok((body, server)) => {
                    let foreign = |error: serde_json::Error| ClientError::Foreign { server, reason: error.to_string() };
                    return serde_json::from_slice(&body).map_err(foreign);
                }
                Err(unanswered) => unanswered,
            };
            let Again::After(asked) = unanswered.again else { return Err(unanswered.error) };
            match retry.pause(Instant::now(), asked, random()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(unanswered.error),
            }
        }
    }

    pub(super) async fn whole(response: Response) -> Result<Bytes, reqwest::Error> {
        response.bytes().await
    }

    /// Sends the request to one server after the other until one takes it; `read` reads the answer.
    ///
    /// A server that says it is unavailable (it knows no leader) is passed over like one that cannot be reached.
    pub(super) async fn round<T, F>(
        &self,
        request: &Request,
        read: impl Fn(Response) -> F,
    ) -> Result<(T, String), Unanswered>
    where
        F: Future<Output = Result<T, reqwest::Error>>,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        // Whether any server was there at all.
        let mut again = Again::Never;
        for turn in 0..self.servers.len() {
            let at = (first + turn) % self.servers.len();
            let server = &self.servers[at];
            let lost = |source| ClientError::Unreachable { servers: self.servers.to_vec(), source };
            match request.send(&self.http.get(), server, self.token.as_deref()).await {
                Ok(response) if response.status().is_success() => {
                    let newer = self.newer_bundle(&response);
                    let next = self.leader(&response).unwrap_or(at);
                    match read(response).await {
                        Ok(answer) => {
                            if newer {
                                self.follow(server).await;
                            }
                            self.preferred.store(next, Ordering::Relaxed);
                            return Ok((answer, server.clone()));
                        }
                        Err(source) => {
                            again = Again::After(None);
                            last = Some(lost(source));
                        }
                    }
                }
                Ok(response) => {
                    let (status, asked) = (response.status(), retry_after(&response));
                    let error = refusal(response, server).await;
                    match status {
                        StatusCode::SERVICE_UNAVAILABLE => {
                            again = Again::After(None);
                            last = Some(error);
                        }
                        StatusCode::TOO_MANY_REQUESTS => {
                            return Err(Unanswered { error, again: Again::After(Some(asked)) });
                        }
                        _ => {
                            self.preferred.store(at, Ordering::Relaxed);
                            return Err(Unanswered { error, again: Again::Never });
                        }
                    }
                }
                Err(source) => {
                    if !source.is_connect() {
                        again = Again::After(None);
                    }
                    last = Some(lost(source));
                }
            }
        }
        let nobody = || ClientError::Foreign { server: String::new(), reason: "no server is known".into() };
        Err(Unanswered {
            error: last.unwrap_or_else(nobody),
            again: if request.may_repeat { again } else { Again::Never },
        })
    }

    /// The server that an answer names as the leader who gave it, if this client knows that one.
    fn leader(&self, response: &Response) -> Option<usize> {
        let leader = response.headers().get(ServerStatus::LEADER_HEADER)?.to_str().ok()?;
        self.servers.iter().position(|server| server == leader)
    }
}

/// Why a request was not answered by any server.
pub(super) struct Unanswered {
    pub(super) error: ClientError,
    again: Again,
}

/// Whether a request is to be sent again.
enum Again {
    /// There is an answer, or nobody who could give one.
    Never,
    /// After a pause; of this length if a server asked for it.
    After(Option<Duration>),
}

/// How long a server that has enough to do asks to be left alone.
fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// A number from 0 to 1 that differs from client to client.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

async fn refusal(response: Response, server: &str) -> ClientError {
    let status = response.status();
    let body = response.bytes().await.unwrap_or_default();
    match serde_json::from_slice(&body) {
        Ok(body) => ClientError::Refused(body),
        Err(_) => ClientError::Foreign { server: server.to_owned(), reason: format!("status {status}") },
    }
}

pub(super) fn absent_is_none<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ClientError::Refused(body)) if body.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
