//! Replicas that are units of the machine's systemd: the agent links them in, with what depends on the node in drop-ins.
//!
//! A replica is one target, and that wants the units which make it. Nothing is built or evaluated for it: the units are
//! those of its closure. `tree` and `drop_in` say what is to be in the manager's folder and know no file of it; `order` puts
//! it there and takes it away; `run` starts, watches and ends it.
//!
//! ```text
//! icefield-<node>-web-0-<revision>.target             the replica
//! icefield-<node>-web-<revision>@0.service            of `nix(…)`: a link to the unit in the closure
//! icefield-<node>-db-0-<revision>-postgres.service    of `nixos(…)`: a link, or a copy in which the tree's names are these
//! icefield-….service.d/50-icefield.conf               ports, environment, limits, log
//! icefield-<node>-db-0-<revision>.slice               of `nixos(…)`: the limits of all its units together
//! ```

mod drift;
mod drop_in;
mod machine;
mod manager;
mod manifest;
mod names;
mod order;
mod run;
mod state;
mod tree;

pub(crate) use drift::Drift;
pub(crate) use machine::{Systemd, UnitReplica};
pub use manager::{SystemdConfig, SystemdManager};
pub(crate) use order::UnitOrder;
pub(crate) use run::{UnitWatch, adopt, conclude, go_on, launch};
