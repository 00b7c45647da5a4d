//! What is wrong with a placement, found from the public inputs alone. Nothing here is shared with the engine, so that
//! a mistake of the engine's is not one of the checker's too.
//!
//! What a demand says of its own replicas (labels, taints, sizes, ports, ties, other services near) holds for those;
//! what counts a service's replicas (a spread, one a node) holds for all of them, whichever demand says it.

mod alone;
mod company;
mod domains;
mod found;
mod ports;
mod quota;
mod room;
mod spread;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use icefield_placement::{Demand, Host, Placement, Unplaced};
use icefield_spec::{Name, Quota};

pub(crate) use found::Found;

/// What to check.
pub(crate) struct Case<'a> {
    pub(crate) hosts: &'a BTreeMap<Name, Host>,
    pub(crate) services: &'a BTreeMap<Name, Vec<Demand>>,
    pub(crate) quotas: &'a BTreeMap<Name, Quota>,
    /// Where everything is.
    pub(crate) placement: &'a Placement,
    /// What the engine says is nowhere.
    pub(crate) unplaced: &'a [Unplaced],
    /// Whether nothing was placed before. Only then are the rules judged that hold for new replicas alone: that a
    /// cordoned node takes none, and the skew of a spread.
    pub(crate) cold: bool,
}

/// Every breach of a hard rule.
pub(crate) fn check(case: &Case<'_>) -> Found {
    let mut found = Found::default();
    let standing = standing::locate(case, &mut found);
    alone::check(case, &standing, &mut found);
    room::check(&standing, &mut found);
    ports::check(&standing, &mut found);
    let mut domains = domains::Domains::new(&standing.hosts);
    spread::check(case, &standing, &mut domains, &mut found);
    company::check(&standing, &mut domains, &mut found);
    quota::check(case, &standing, &mut found);
    found
}
