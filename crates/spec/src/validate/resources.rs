use std::collections::BTreeMap;

use super::Check;
use super::syntax::{LABEL_HELP, is_label};
use super::wording::unknown_help;
use crate::Amount;

/// What every node has, declared by fields of their own.
const COMMON: [&str; 2] = ["cpu", "memory"];
/// What nodes have, too, but not by amount.
const PORTS: &str = "ports";

impl Check<'_> {
    /// The names and sizes of resources besides CPU and memory, whoever has or needs them.
    pub(super) fn amounts(&mut self, path: &str, amounts: &BTreeMap<String, Amount>) {
        for (resource, amount) in amounts {
            if COMMON.contains(&resource.as_str()) {
                let message = format!("{resource:?} does not belong among the other resources");
                self.report(path, message).help = Some(format!("give it by itself: {resource} = …"));
            } else if resource == PORTS {
                let message = format!("{resource:?} is no resource of which there is an amount");
                self.report(path, message).help = Some("ports are declared by name: ports = …".into());
            } else if !is_label(resource) {
                self.report(path, format!("{resource:?} is not the name of a resource")).help =
                    Some(format!("a name is {LABEL_HELP}"));
            } else if amount.get() > Amount::MAX {
                let message = format!("{amount} is too large; at most {} may be declared", amount.like(Amount::MAX));
                self.report(format!("{path}.{resource}"), message);
            } else if let Some(first) = self.declared.resources.get(resource.as_str()).copied() {
                self.is_alike(&format!("{path}.{resource}"), *amount, first);
            }
        }
    }

    /// What is asked of the nodes' other resources.
    pub(super) fn needs(&mut self, path: &str, amounts: &BTreeMap<String, Amount>) {
        self.amounts(path, amounts);
        for resource in amounts.keys().filter(|resource| is_resource(resource)) {
            if self.declared.any && !self.declared.resources.contains_key(resource.as_str()) {
                let help = unknown_help(resource, "other resources", self.declared.resources.keys().copied());
                self.report(path, format!("no node has the resource {resource:?}")).help = Some(help);
            }
        }
    }

    /// The name of any resource that nodes have, CPU and memory among them.
    pub(super) fn resource(&mut self, path: &str, resource: &str) {
        let known = COMMON.into_iter().chain(self.declared.resources.keys().copied());
        if self.declared.any && !known.clone().any(|known| known == resource) {
            let help = unknown_help(resource, "resources", known);
            self.report(path, format!("no node has the resource {resource:?}")).help = Some(help);
        }
    }

    /// Whether an amount is of the same kind as one that is declared elsewhere; reports it if not. Nothing is nothing in
    /// every kind.
    pub(super) fn is_alike(&mut self, path: &str, amount: Amount, declared: Amount) -> bool {
        if amount.is_like(declared) || amount.get() == 0 || declared.get() == 0 {
            return true;
        }
        let (message, help) = match declared {
            Amount::Bytes(bytes) => (
                format!("{amount} is a plain number, but nodes have this in bytes: {bytes}"),
                "write it like \"10GiB\"",
            ),
            Amount::Count(count) => {
                (format!("{amount} is in bytes, but nodes have this as a plain number: {count}"), "write it like 1")
            }
        };
        self.report(path, message).help = Some(help.into());
        false
    }
}

/// Whether this can be the name of a resource besides CPU and memory.
pub(super) fn is_resource(name: &str) -> bool {
    is_label(name) && !COMMON.contains(&name) && name != PORTS
}
