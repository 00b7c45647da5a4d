use std::time::Duration;

/// How fast a group of servers is to notice and to do things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// The time between two signs of life of a leader.
    pub heartbeat: Duration,
    /// A leader that is silent for so long has lost its lease: its followers will listen to another one.
    pub lease: Duration,
    /// The shortest time after the lease until a follower wants to lead. Each draws its own, between this and the
    /// lease, when it starts.
    pub election: Duration,
    /// How many log entries may follow a snapshot before the next one is made.
    pub snapshot_every: u64,
    /// How many bytes of commands may follow a snapshot before the next one is made.
    pub snapshot_bytes: u64,
    /// How many log entries before the snapshot are kept, so that a server that was away for a moment needs no
    /// snapshot.
    pub keep_entries: u64,
    /// How long a request waits for a leader before it is told that there is none.
    pub patience: Duration,
}

impl Default for Timings {
    /// A killed leader is replaced within 450 to 750 milliseconds, and one that stalls for 400 keeps leading.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(75),
            lease: Duration::from_millis(300),
            election: Duration::from_millis(150),
            snapshot_every: 5_000,
            snapshot_bytes: 64 << 20,
            keep_entries: 1_000,
            patience: Duration::from_secs(2),
        }
    }
}

impl Timings {
    pub(super) fn raft_config(&self) -> Result<openraft::Config, String> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: "icefield".into(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election),
            // Raft's lease is as long as its longest election timeout.
            election_timeout_max: millis(self.lease),
            install_snapshot_timeout: millis(Duration::from_secs(60)),
            max_payload_entries: 1_000,
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_every.max(1)),
            max_in_snapshot_log_to_keep: self.keep_entries,
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| error.to_string())
    }
}
