//! Builds what a spec has Nix build, once each, and fetches what was built.
//!
//! All of it is done by the real `nix`, which [`Nix`] stands for. [`targets`] says what a spec needs built: one [`Target`]
//! for each base and each revision of a service. [`Builder`] builds them, several at a time; what was built from the same
//! input before is not even evaluated again ([`Memo`]). What comes out of a service is a folder of the store that is the
//! same on every node: its programs in `bin`, and a systemd unit without ports, addresses or names of nodes.
//!
//! An agent needs only [`Nix::realise`]: it neither evaluates nor builds.

mod build;
mod call;
mod closure;
mod configuration;
mod error;
mod expression;
mod inputs;
mod memo;
mod nix;
mod reference;
mod scope;
mod store;
mod target;
mod unit;
mod version;

pub use build::{Build, Builder, Event};
pub use closure::{Closure, ClosurePath};
pub use configuration::Configuration;
pub use error::NixError;
pub use memo::{Built, Memo};
pub use nix::{Nix, NixConfig};
pub use scope::Scope;
pub use store::Sources;
pub use target::{Kind, Target, Targets, fill_in, is_needed, targets};
