use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use icefield_control::raft::{Message, Rpc, Transport, TransportError};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::hub::Hub;

/// What carries one server's messages to the others.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) hub: Arc<Hub>,
    /// The server that sends.
    pub(crate) from: usize,
    /// Which start of it: one that has crashed sends nothing more.
    pub(crate) life: u64,
    /// All servers' names, by number.
    pub(crate) names: Arc<[String]>,
}

impl Transport for Wire {
    fn ask(&self, message: Message, patience: Duration) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let until = Instant::now() + patience;
        let wire = self.clone();
        let (reply, answer) = oneshot::channel();
        let name = message.to.name.clone();
        let failed = move |reason: &str| TransportError { to: name, reason: reason.to_owned() };
        if let Some(to) = self.names.iter().position(|name| *name == message.to.name) {
            // Sent when it is asked for, and under way even if nobody waits any longer.
            if matches!(message.rpc, Rpc::Append | Rpc::Vote) && self.hub.network.duplicates() {
                let (twice, again) = (wire.clone(), message.clone());
                tokio::spawn(async move { drop(twice.deliver(to, again).await) });
            }
            tokio::spawn(async move {
                if let Some(answer) = wire.deliver(to, message).await {
                    let _ = reply.send(answer);
                }
            });
        }
        Box::pin(async move {
            match timeout_at(until, answer).await {
                Ok(Ok(Ok(answer))) => Ok(answer),
                Ok(Ok(Err(reason))) => Err(failed(&reason)),
                Ok(Err(_)) => {
                    sleep_until(until).await;
                    Err(failed("no answer"))
                }
                Err(_) => Err(failed("no answer in time")),
            }
        })
    }
}

impl Wire {
    /// Takes the message there and its answer back; `None` if one of them is lost.
    async fn deliver(&self, to: usize, message: Message) -> Option<Result<Bytes, String>> {
        let Self { hub, from, .. } = self;
        if !self.is_there() || !hub.network.carry(*from, to).await {
            return None;
        }
        let answer = match hub.server(to) {
            None => Err("connection refused".to_owned()),
            Some(server) => {
                let body = message.body.concat();
                hub.trace.mark([*from as u64, to as u64, message.rpc as u64], &body);
                let name = &message.to.name;
                let answer = server.group.answer(message.rpc, &message.group, name, body.into()).await;
                if !hub.lives(to, server.life) {
                    return None;
                }
                answer.map(Bytes::from).map_err(|error| error.to_string())
            }
        };
        (hub.network.carry(to, *from).await && self.is_there()).then_some(answer)
    }

    fn is_there(&self) -> bool {
        self.hub.lives(self.from, self.life)
    }
}
