//! The HTTP API that every server serves, and what the servers say to each other, on one port.
//!
//! Every request under `/v1` is answered by the leader (`dispatch`, `forward`), so that an answer is true of the whole
//! group. Handlers are in `cluster`, `specs`, `rebalance`, `services`, `servers` and `nodes`; `watch` is how they wait; `serve` is what keeps
//! one connection from harming another.
//!
//! `handshake` secures a connection, `guard` lets in who may (`asker` is what it has found out), `enrol` issues certificates,
//! `trust` is about tokens, authorities and the audit log.

mod app;
mod asker;
mod blocking;
mod body;
mod cluster;
mod dispatch;
mod enrol;
mod failure;
mod forward;
mod guard;
mod handshake;
mod nodes;
mod peers;
mod rebalance;
mod router;
mod serve;
mod servers;
mod services;
mod specs;
mod transport;
mod trust;
mod watch;

pub(crate) use app::App;
pub(crate) use router::router;
pub(crate) use serve::serve;
pub(crate) use transport::HttpTransport;
