//! How long rollouts take beyond what they are told to wait for.

mod agents;
mod back;
mod forth;

use std::time::Duration;

pub(crate) use back::measure as measure_back;
pub(crate) use forth::measure as measure_forth;

/// How long a replica that is called runs on after it has left discovery, where nothing else is declared.
const DRAIN: Duration = Duration::from_secs(1);
