use std::collections::{BTreeMap, BTreeSet};

use super::resources::is_resource;
use crate::{Amount, IMPLIED_LABELS, Spec};

/// What the declared nodes have that services and policies may speak of.
pub(super) struct Declared<'a> {
    /// Whether there are nodes at all; without any, nobody knows what they will have.
    pub(super) any: bool,
    /// The labels that any of them has.
    pub(super) labels: BTreeSet<&'a str>,
    /// The taints that any of them has.
    pub(super) taints: BTreeSet<&'a str>,
    /// The resources that any of them has besides CPU and memory, with how much the first of them has.
    pub(super) resources: BTreeMap<&'a str, Amount>,
}

impl<'a> Declared<'a> {
    pub(super) fn of(spec: &'a Spec) -> Self {
        let mut declared = Self {
            any: spec.node_count() > 0,
            labels: BTreeSet::from(IMPLIED_LABELS),
            taints: BTreeSet::new(),
            resources: BTreeMap::new(),
        };
        for (.., machine) in spec.machines() {
            declared.labels.extend(machine.labels.keys().map(String::as_str));
            declared.taints.extend(machine.taints.iter().map(String::as_str));
            for (resource, amount) in &machine.resources {
                if is_resource(resource) {
                    declared.resources.entry(resource).or_insert(*amount);
                }
            }
        }
        declared
    }
}
