use axum::extract::{FromRequest, Request};
use axum::http::{Method, Uri};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::asker::Asker;
use super::body;
use super::failure::Failure;
use super::headers::KEY;
use crate::state::{self, Author, Fingerprint};

/// A request that changes something.
pub(crate) struct Write {
    key: Fingerprint,
    content: Fingerprint,
    body: Bytes,
    author: Option<Author>,
}

impl Write {
    /// What the state is to remember it by.
    pub(crate) fn request(&self, at: u64) -> state::Request {
        state::Request { key: self.key, content: self.content, at }
    }

    /// The same for a request whose content is secret: what the state is to remember tells nothing of it to whoever does not
    /// have `salt`.
    pub(crate) fn salted(self, salt: &[u8]) -> Self {
        Self { content: Fingerprint::of([salt, &self.body]), ..self }
    }

    /// Who sent it.
    pub(crate) fn author(&self) -> Option<Author> {
        self.author.clone()
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
        let author = request.extensions().get::<Asker>().map(|asker| asker.author.clone());
        let key = request.headers().get(KEY).cloned();
        let key = key.ok_or_else(|| Failure::invalid("a request that changes something needs an idempotency key"))?;
        let body = Bytes::from_request(request, app).await;
        let body = body.map_err(|rejection| Failure::invalid(rejection.body_text()))?;
        Ok(Self { key: Fingerprint::of([key.as_bytes()]), content: content(&method, &uri, &body), body, author })
    }
}

fn content(method: &Method, uri: &Uri, body: &Bytes) -> Fingerprint {
    let whole = match uri.query() {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    Fingerprint::of([method.as_str().as_bytes(), whole.as_bytes(), body])
}
