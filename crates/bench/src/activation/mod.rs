//! Agents that are killed, and machines that lose power, while nodes go from one NixOS system to another.

mod host;
mod kill;
mod worker;

pub(crate) use kill::measure;
pub(crate) use worker::{Worker, work};
