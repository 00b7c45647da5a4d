//! What must happen next: a pure function of what is agreed on, what was seen, and the time.

mod config;
mod leases;
mod placing;
mod reconciler;
mod rollouts;
mod standing;

pub use config::Config;
pub use reconciler::{Reconciler, reconcile};

pub(crate) use placing::{Joining, engine, solve};
pub(crate) use rollouts::waits_for;
