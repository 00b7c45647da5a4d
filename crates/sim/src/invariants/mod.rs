//! What must hold at every moment, or at the end: one file each. Each is checked on its own, from what the servers,
//! agents and clients of a run have seen; none shares code with what it checks.

pub(crate) mod acknowledged;
pub(crate) mod agreement;
pub(crate) mod availability;
pub(crate) mod canary;
pub(crate) mod convergence;
pub(crate) mod drains;
pub(crate) mod generations;
pub(crate) mod holders;
pub(crate) mod jobs;
pub(crate) mod last_good;
pub(crate) mod mixture;
pub(crate) mod reads;
pub(crate) mod reboots;
pub(crate) mod rules;
#[cfg(test)]
mod sample;
pub(crate) mod secrets;
pub(crate) mod surge;
pub(crate) mod versions;
pub(crate) mod waves;
pub(crate) mod way_back;
pub(crate) mod zones;
