use std::time::Duration;

/// What a server takes on, and how long it waits for whoever is slow.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest NAR that is taken, in bytes, not compressed.
    pub largest_nar: u64,
    /// How many connections are open at once.
    pub connections: usize,
    /// How many uploads are looked at at once; others wait.
    pub uploads: usize,
    /// How many NARs are sent at once; who asks for more is told to come again.
    pub sending: usize,
    /// How many of them are read at once by threads that wait for their clients; others wait. It must be far less than the
    /// 512 threads that there are for what waits, for each NAR may need another one.
    pub reading: usize,
    /// Whether what is known of the store is forgotten when the last connection ends: for those that are seldom asked.
    pub forgetful: bool,
    /// How long a client may take nothing of an answer, send nothing of a body, or be silent when it is asked whether it is
    /// there.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            largest_nar: 16 << 30,
            connections: 4096,
            uploads: 4,
            sending: 1 << 20,
            reading: 256,
            forgetful: false,
            pause: Duration::from_secs(30),
        }
    }
}

/// How long a request waits until its NAR may be read.
pub(super) const TURN: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request, and a connection may be idle.
pub(super) const HEAD: Duration = Duration::from_secs(60);
/// How long the handshake of TLS may take.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most bytes that the head of a request may have.
pub(super) const HEAD_BYTES: usize = 32 << 10;
/// How much of what it has received a connection holds, in bytes.
pub(super) const BUFFER: usize = 128 << 10;
/// How many requests a connection of HTTP/2 has at once.
pub(super) const STREAMS: u32 = 32;
/// How many bytes of each of their bodies are sent before they are asked for.
pub(super) const AHEAD: u32 = 512 << 10;
/// The most header lines.
pub(super) const HEADERS: usize = 64;
/// The most bytes of what is not a NAR: a build log, a realisation.
pub(super) const EXTRA: usize = 16 << 20;
/// How many bytes the disk must have left after an upload.
pub(super) const SPARE: u64 = 16 << 20;
