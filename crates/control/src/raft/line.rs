use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::AnyError;
use serde::de::DeserializeOwned;

use super::members::Member;
use super::rpc::Rpc;
use super::transport::{Message, Transport};

/// The way to one server.
#[derive(Debug, Clone)]
pub(super) struct Line {
    transport: Arc<dyn Transport>,
    group: Arc<str>,
    to: Member,
}

impl Line {
    pub(super) fn new(transport: Arc<dyn Transport>, group: Arc<str>, to: Member) -> Self {
        Self { transport, group, to }
    }

    /// Asks it something; the body may be in parts.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        rpc: Rpc,
        body: Vec<Bytes>,
        patience: Duration,
    ) -> Result<T, AnyError> {
        let message = Message { to: self.to.clone(), group: Arc::clone(&self.group), rpc, body };
        let answer = self.transport.ask(message, patience).await.map_err(|error| AnyError::new(&error))?;
        serde_json::from_slice(&answer).map_err(|error| AnyError::new(&error))
    }
}
