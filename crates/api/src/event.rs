use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Stale;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Rises by one with every event.
    pub number: u64,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// What it happened to: `web/3`, `node metal-1`, `service web`, `spec`.
    pub subject: String,
    /// What happened, in a sentence.
    pub message: String,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A spec was put in force.
    Apply,
    /// A replica was placed, moved or removed.
    Placement,
    /// A replica failed, became unhealthy or recovered.
    Replica,
    /// A node joined, was lost, returned, or was cordoned or drained.
    Node,
    /// A rollout started, ended or failed.
    Rollout,
    /// A run of a job began, failed or ended.
    Job,
    /// Another server leads.
    Leader,
    /// A certificate or a token came or went, or the authority is changed.
    Trust,
    /// A secret was set or removed, or the key that they are sealed with is another one.
    Secret,
    /// An operator's note.
    Note,
}

/// Puts a note of an operator among the events: a mark to find again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteRequest {
    /// The note: one line of at least one byte and at most [`Self::LONGEST`].
    pub text: String,
}

impl NoteRequest {
    /// The most bytes of a note.
    pub const LONGEST: usize = 1_024;
}

/// What became of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoteAnswer {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The version of the state from which on the note is there.
    pub version: u64,
}

/// Events in the order they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The events; the cluster keeps the last thousand.
    pub events: Vec<Event>,
    /// Of an answer that may be out of date, because that was asked for: of when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
}
