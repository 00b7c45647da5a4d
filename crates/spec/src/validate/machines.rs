use super::Check;
use super::syntax::{LABEL_HELP, is_label};
use super::wording::suggestion;
use crate::{Bytes, Cpu, IMPLIED_LABELS, Machine, Name};

impl Check<'_> {
    pub(super) fn machines(&mut self) {
        for (path, _, machine) in self.spec.machines() {
            self.machine(&path, machine);
        }
        self.names_of_nodes();
    }

    /// A pool's nodes may not be called like a node declared by name.
    fn names_of_nodes(&mut self) {
        for (pool_name, pool) in &self.spec.pools {
            if Name::new(&format!("{pool_name}-{}", pool.count)).is_err() {
                self.report(format!("pools.{pool_name}"), "the name leaves no room for its nodes' numbers");
            }
            for node in self.spec.nodes.keys() {
                let number = node.as_str().strip_prefix(pool_name.as_str()).and_then(|rest| rest.strip_prefix('-'));
                if let Some(number) = number
                    && number.parse::<u32>().is_ok_and(|n| n >= 1 && n <= pool.count && n.to_string() == number)
                {
                    let message = format!("the name is also that of node {number} of pool {pool_name:?}");
                    self.report(format!("nodes.{node}"), message);
                }
            }
        }
    }

    fn machine(&mut self, path: &str, machine: &Machine) {
        if let Some(base) = &machine.base
            && !self.spec.bases.contains_key(base)
        {
            let help = suggestion(base.as_str(), self.spec.bases.keys().map(Name::as_str));
            self.report(format!("{path}.base"), format!("there is no base {:?}", base.as_str())).help = help;
        }
        if machine.cpu == Cpu::default() {
            self.report(format!("{path}.cpu"), "a node needs some CPU to give");
        }
        if machine.memory == Bytes::default() {
            self.report(format!("{path}.memory"), "a node needs some memory to give");
        }
        self.amounts(&format!("{path}.resources"), &machine.resources);
        self.reserve(path, machine);
        for taint in &machine.taints {
            if !is_label(taint) {
                self.report(format!("{path}.taints"), format!("{taint:?} is not a taint")).help =
                    Some(format!("a taint is {LABEL_HELP}"));
            }
        }
        for (label, value) in &machine.labels {
            if IMPLIED_LABELS.contains(&label.as_str()) {
                self.report(format!("{path}.labels"), format!("every node has the label {label:?} by itself"));
            } else if !is_label(label) || !is_label(value) {
                let message = format!("{label:?} = {value:?} is not a label");
                self.report(format!("{path}.labels"), message).help = Some(format!("key and value are {LABEL_HELP}"));
            }
        }
        let system = &machine.system;
        let well_formed = system.split('-').count() >= 2
            && system.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !well_formed {
            self.report(format!("{path}.system"), format!("{system:?} is not a Nix system, as \"x86_64-linux\" is"));
        }
    }

    /// No node can keep more free than it has.
    fn reserve(&mut self, path: &str, machine: &Machine) {
        let reserve = &machine.reserve;
        if reserve.cpu > machine.cpu {
            let message = format!("{} of CPU is to be kept free, but the node has only {}", reserve.cpu, machine.cpu);
            self.report(format!("{path}.reserve.cpu"), message);
        }
        if reserve.memory > machine.memory {
            let (kept, all) = (reserve.memory, machine.memory);
            let message = format!("{kept} of memory is to be kept free, but the node has only {all}");
            self.report(format!("{path}.reserve.memory"), message);
        }
        for (resource, kept) in &reserve.resources {
            let Some(all) = machine.resources.get(resource) else {
                let help = suggestion(resource, machine.resources.keys().map(String::as_str));
                let message = format!("the node has no resource {resource:?} of which to keep any free");
                self.report(format!("{path}.reserve"), message).help = help;
                continue;
            };
            let at = format!("{path}.reserve.{resource}");
            if self.is_alike(&at, *kept, *all) && kept.get() > all.get() {
                self.report(at, format!("{kept} is to be kept free, but the node has only {all}"));
            }
        }
    }
}
