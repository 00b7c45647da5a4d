//! What a server takes on at once, and how long it waits for whoever is slow. Beyond that it says no at once, so that what
//! it has begun goes on as fast as ever.

use std::time::Duration;

/// How many connections are open at once, unless the system allows fewer open files: two for each of 5,000 agents, and
/// some more.
pub(crate) const CONNECTIONS: usize = 16_384;

/// How many open files are left to the log, the snapshots and the connections to other servers.
pub(crate) const FILES_KEPT: usize = 256;

/// How long a client may take to send the head of a request. It is also how long a connection may be idle.
pub(crate) const HEAD: Duration = Duration::from_secs(30);

/// The most bytes that the head of a request may have; a connection holds no more than that of what it has received.
pub(crate) const HEAD_BYTES: usize = 32 << 10;

/// The most header lines.
pub(crate) const HEADERS: usize = 64;

/// How long a sender may pause within a body.
pub(crate) const BODY_PAUSE: Duration = Duration::from_secs(10);

/// How long a whole body may take.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(120);

/// The most that a body may hold which declares something: a spec, a layout.
pub(crate) const LARGE_BODY: usize = 64 << 20;

/// The most that a heartbeat may hold.
pub(crate) const HEARTBEAT_BODY: usize = 8 << 20;

/// The most that any other body may hold.
pub(crate) const SMALL_BODY: usize = 64 << 10;

/// The most that a message between servers may hold: a snapshot of the largest state.
pub(crate) const PEER_BODY: usize = 4 << 30;

/// How long a client may take none of an answer.
pub(crate) const ANSWER_PAUSE: Duration = Duration::from_secs(30);

/// How long an answer that a client does not take keeps others out.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);

/// The most bytes of an answer that keeps nobody out, though nobody takes it.
pub(crate) const LITTLE: u64 = 16 << 10;

/// When to try again what was not begun, in seconds.
pub(crate) const RETRY_AFTER: u32 = 1;
