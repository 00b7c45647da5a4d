use axum::extract::{FromRequest, Request};
use axum::http::Method;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::body;
use super::dispatch::KEY;
use super::failure::Failure;
use crate::state::{self, Fingerprint};

/// A request that changes something.
pub(crate) struct Write {
    key: Fingerprint,
    content: Fingerprint,
    body: Bytes,
}

impl Write {
    /// What the state is to remember it by.
    pub(crate) fn request(&self, at: u64) -> state::Request {
        state::Request { key: self.key, content: self.content, at }
    }

    /// Its body.
    pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(&self) -> Result<T, Failure> {
        body::json(self.body.clone()).await
    }
}

impl<S: Send + Sync> FromRequest<S> for Write {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &S) -> Result<Self, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let key = request.headers().get(KEY).cloned();
        let key = key.ok_or_else(|| Failure::invalid("a request that changes something needs an idempotency key"))?;
        let body = Bytes::from_request(request, app).await;
        let body = body.map_err(|rejection| Failure::invalid(rejection.body_text()))?;
        Ok(Self { key: Fingerprint::of([key.as_bytes()]), content: content(&method, uri.path(), &body), body })
    }
}

fn content(method: &Method, path: &str, body: &Bytes) -> Fingerprint {
    Fingerprint::of([method.as_str().as_bytes(), path.as_bytes(), body])
}
