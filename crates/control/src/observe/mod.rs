//! What the leading server has seen of the nodes. It is held in memory alone: a new leader starts afresh.

mod observations;
mod registration;
mod sight;
mod transition;

pub use observations::Observations;
pub(crate) use observations::is_healthy;
#[cfg(test)]
pub(crate) use observations::sample;
pub use registration::registration;
