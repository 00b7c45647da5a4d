use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response};
use serde::Serialize;

use super::{Client, ClientError};
use crate::IdempotencyKey;

/// One request as a client means it, however often it is sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    /// What it is known by over all its repetitions, if it changes something.
    pub(super) key: Option<IdempotencyKey>,
    /// How long each answer may take.
    pub(super) timeout: Option<Duration>,
    /// Whether it is worth sending again when no server has answered it.
    pub(super) may_repeat: bool,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        let timeout = Some(Client::ANSWER);
        Self { method: Method::GET, path, body: None, key: None, timeout, may_repeat: true }
    }

    pub(super) fn post(path: &str, body: &impl Serialize) -> Result<Self, ClientError> {
        let unwritable = |error: serde_json::Error| ClientError::Unwritable(error.to_string());
        let body = Some(serde_json::to_vec(body).map_err(unwritable)?.into());
        Ok(Self { method: Method::POST, body, ..Self::get(path.to_owned()) })
    }

    /// Sends it to one server, for the bearer of `token`.
    pub(super) async fn send(
        &self,
        http: &reqwest::Client,
        server: &str,
        token: Option<&str>,
    ) -> Result<Response, reqwest::Error> {
        let mut request = http.request(self.method.clone(), format!("{server}{}", self.path));
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        if let Some(key) = &self.key {
            request = request.header(IdempotencyKey::HEADER, key.as_str());
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &self.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        request.send().await
    }
}
