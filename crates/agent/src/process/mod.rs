//! Processes of this machine, told apart for certain.

mod identity;
mod lock;
mod sweep;
mod table;

pub(crate) use identity::Process;
pub(crate) use lock::{RunLock, holder};
pub(crate) use sweep::{kill_descendants, kill_session, signal_alone, signal_group};
