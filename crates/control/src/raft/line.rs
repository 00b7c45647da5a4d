use std::sync::Arc;
use std::time::Duration;

use openraft::AnyError;
use serde::de::DeserializeOwned;

use super::rpc::{GROUP_HEADER, Rpc, TO_HEADER};

/// The way to one server.
#[derive(Debug, Clone)]
pub(super) struct Line {
    http: reqwest::Client,
    group: Arc<str>,
    name: Arc<str>,
    url: Arc<str>,
}

impl Line {
    pub(super) fn new(http: reqwest::Client, group: Arc<str>, name: Arc<str>, url: Arc<str>) -> Self {
        Self { http, group, name, url }
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        rpc: Rpc,
        body: impl Into<reqwest::Body>,
        timeout: Duration,
    ) -> Result<T, AnyError> {
        let request = self.http.post(format!("{}{}", self.url, rpc.path()));
        let request = request.header(GROUP_HEADER, &*self.group).header(TO_HEADER, &*self.name);
        let answer = request.timeout(timeout).body(body).send().await.map_err(|error| AnyError::new(&error))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| AnyError::new(&error))?;
        if !status.is_success() {
            return Err(AnyError::error(format!("{}: {}", self.url, String::from_utf8_lossy(&body))));
        }
        serde_json::from_slice(&body).map_err(|error| AnyError::new(&error))
    }
}
