//! The HTTP API that every server serves, and what the servers say to each other, on one port.
//!
//! Every request under `/v1` is answered by the leader (`dispatch`, `forward`), so that an answer is true of the whole
//! group, unless whoever asks is content with what one server has (`reading`). A request that changes something has a key
//! and is carried out once (`write`). Handlers are in `cluster`, `specs`, `rebalance`, `services`, `endpoints`,
//! `servers` and `nodes`;
//! `watch` is how they wait.
//!
//! What keeps one client from harming another: `serve` for a connection, `kind` and `admission` for requests,
//! `body` for what they send. `limits` has all their numbers.
//!
//! `handshake` secures a connection, `guard` lets in who may (`asker` is what it has found out), `enrol` issues certificates,
//! `trust` is about tokens, authorities and the audit log.

mod admission;
mod app;
mod asker;
mod bases;
mod blocking;
mod body;
mod closures;
mod cluster;
mod dates;
mod dispatch;
mod endpoints;
mod enrol;
mod failure;
mod forward;
mod guard;
mod handshake;
mod headers;
mod jobs;
mod kind;
mod limits;
mod lineups;
mod nodes;
mod peers;
mod reading;
mod rebalance;
mod rollouts;
mod router;
mod secrets;
mod serve;
mod servers;
mod services;
mod specs;
mod transport;
mod trust;
mod watch;
mod write;

pub(crate) use admission::Admission;
pub(crate) use app::App;
pub(crate) use router::router;
pub(crate) use serve::serve;
pub(crate) use transport::HttpTransport;
