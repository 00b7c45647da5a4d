//! What the leading server has seen of the nodes. It is held in memory alone: a new leader starts afresh.

mod health;
mod observations;
mod registration;
mod rhythm;
mod sight;
mod transition;

pub(crate) use health::Health;
pub use observations::Observations;
pub(crate) use observations::is_healthy;
#[cfg(test)]
pub(crate) use observations::sample;
pub use registration::{is_removed, registration};
pub(crate) use sight::Sight;
