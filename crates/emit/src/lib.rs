//! Node plans as files: one module for each [`Target`].
//!
//! Emitting is pure: files come back as text and the caller writes them. Equal input gives equal bytes, and a change
//! of one service changes only its own files and those of the nodes that it is on.
//!
//! An [`Emitter`] gives what the nodes share once ([`Emitter::shared`]) and then each node's own files
//! ([`Emitter::node`]). It can be used from many threads at a time, so a large fleet is written by as many threads as
//! there are cores. [`emit`] does all at once.

mod calendar;
mod check;
mod emitter;
mod error;
mod file;
mod files;
mod fleet;
mod form;
mod limits;
mod nix;
mod package;
mod replica;
mod secrets;
mod systemd;
mod target;
mod volumes;

pub use emitter::{Emitter, emit};
pub use error::EmitError;
pub use file::{File, Tree};
pub use limits::{cpu_weight, stop_timeout};
pub use nix::{base_files, nix_string};
pub use systemd::word::{argument as unit_argument, assignment as unit_assignment, is_plain_path};
pub use target::{Target, UnknownTarget};
