use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use icefield_api::Http;

use crate::raft::{GROUP_HEADER, Message, TO_HEADER, Transport, TransportError};

/// Carries messages to the other servers over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct HttpTransport {
    http: Http,
}

impl HttpTransport {
    pub(crate) fn new(http: Http) -> Self {
        Self { http }
    }

    async fn send(http: reqwest::Client, message: Message, patience: Duration) -> Result<Bytes, reqwest::Error> {
        let Message { to, group, rpc, body } = message;
        let body = match <[Bytes; 1]>::try_from(body) {
            Ok([whole]) => reqwest::Body::from(whole),
            Err(parts) => reqwest::Body::wrap_stream(stream::iter(parts.into_iter().map(Ok::<_, std::io::Error>))),
        };
        let request = http.post(format!("{}{}", to.api, rpc.path()));
        let request = request.header(GROUP_HEADER, &*group).header(TO_HEADER, &*to.name);
        let answer = request.timeout(patience).body(body).send().await?;
        answer.error_for_status()?.bytes().await
    }
}

impl Transport for HttpTransport {
    fn ask(&self, message: Message, patience: Duration) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let (http, to) = (self.http.get(), message.to.api.clone());
        Box::pin(async move {
            let answer = Self::send(http, message, patience).await;
            answer.map_err(|error| TransportError { to, reason: chain(&error) })
        })
    }
}

/// An error with all that led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
