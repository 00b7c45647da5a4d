//! How a node comes to the NixOS system that its plan names, and back to the one before if it does not do well.
//!
//! `attempt` decides: a state machine that knows no file and no process. Each of its steps is on the disk before anything of
//! it is done, and each can be done again, so whoever comes after an agent that was killed goes on where it was. `host` is the
//! machine as it is: its store, its profile, and the commands that change them. `keeper` puts the two together.
//!
//! ```text
//! fetch ─▶ verify ─▶ (await drain) ─▶ set profile ─▶ switch ─▶ (reboot) ─▶ confirm ─▶ active
//!    │        │                            │            │          │          │
//!    └────────┴──▶ failed                  └────────────┴──────────┴──────────┴──▶ restore profile ─▶ switch back
//!                                                                                   ─▶ (reboot back) ─▶ rolled back
//! ```

mod attempt;
mod clock;
mod closure;
mod host;
#[cfg(test)]
mod host_tests;
mod keeper;
mod orphans;
mod step;
#[cfg(test)]
mod tests;

pub(crate) use closure::closure;
pub use host::SystemConfig;
pub use keeper::{Activation, Given};
