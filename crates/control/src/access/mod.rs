//! Who may do what. All of it is pure: who asks, what for, and what is agreed on are arguments.

mod allows;
mod caller;
mod namespaces;
mod throttle;

pub use allows::{Denied, allows};
pub use caller::{Caller, Peer, Presented};
pub use namespaces::outside;
pub(crate) use throttle::Throttle;
