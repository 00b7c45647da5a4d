//! What must happen next: a pure function of what is agreed on, what was seen, and the time.

mod bases;
mod config;
mod demands;
mod dependencies;
mod drain;
mod fitting;
mod health;
mod holders;
mod host;
mod improve;
mod job_demands;
mod jobs;
mod kept;
mod leases;
mod objective;
mod offline;
mod placing;
mod possible;
mod rebalance;
mod reconciler;
mod rollouts;
mod standing;
mod trust;
mod wanted;

pub use config::Config;
pub use holders::promise;
pub use offline::place_offline;
pub use reconciler::{Reconciler, reconcile};

pub(crate) use bases::{BaseView, Standing as BaseStanding, base_waits_for};
pub(crate) use health::{every, lease};
pub(crate) use host::Joining;
pub(crate) use improve::{Search, check, propose};
pub(crate) use jobs::run_waits_for;
pub(crate) use placing::{engine, solve};
pub(crate) use rollouts::waits_for;
pub(crate) use wanted::Wanted;
