use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::members::Member;
use super::rpc::Rpc;

/// Carries messages to the other servers: over HTTP, or through a simulated network.
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends a message and waits for its answer. `patience` is how long that may take.
    fn ask(&self, message: Message, patience: Duration) -> BoxFuture<'static, Result<Bytes, TransportError>>;
}

/// A message from one server to another.
#[derive(Debug, Clone)]
pub struct Message {
    /// The server that is meant, and where it is.
    pub to: Member,
    /// The group that both are of.
    pub group: Arc<str>,
    /// What it asks.
    pub rpc: Rpc,
    /// Its text, in parts that belong together.
    pub body: Vec<Bytes>,
}

/// Why a message has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{to}: {reason}")]
pub struct TransportError {
    /// Whom it was for.
    pub to: String,
    /// What happened to it.
    pub reason: String,
}
