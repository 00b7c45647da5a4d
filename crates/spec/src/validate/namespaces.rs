use std::collections::BTreeMap;

use super::Check;
use super::totals::volumes;
use super::wording::suggestion;
use crate::{Name, Quota, Service};

impl Check<'_> {
    pub(super) fn namespace(&mut self, name: &Name, quota: &Quota) {
        self.needs(&format!("namespaces.{name}.resources"), &quota.resources);
    }

    /// A service's namespace is declared, and has room for one replica of it at least.
    pub(super) fn service_namespace(&mut self, path: &str, namespace: &Name, service: &Service) {
        let at = format!("{path}.namespace");
        let Some(quota) = self.spec.namespaces.get(namespace) else {
            let known = self.spec.namespaces.keys().map(Name::as_str);
            let help = suggestion(namespace.as_str(), known)
                .unwrap_or_else(|| format!("declare it: namespace({:?})", namespace.as_str()));
            self.report(at, format!("there is no namespace {:?}", namespace.as_str())).help = Some(help);
            return;
        };
        if service.replicas == 0 && !service.daemon {
            return;
        }
        for (all, needed) in too_little(quota, service) {
            let message = format!("{:?} may have {all} in all, but one replica needs {needed}", namespace.as_str());
            self.report(&at, message).help =
                Some("raise the namespace's limit, or lower what the service needs".into());
        }
        if quota.replicas == Some(0) {
            self.report(&at, format!("{:?} may have no replicas at all", namespace.as_str()));
        }
    }
}

/// The limits that not even one replica keeps: each with what it needs.
fn too_little(quota: &Quota, service: &Service) -> Vec<(String, String)> {
    let unit = &service.unit;
    let mut found = Vec::new();
    if let Some(all) = quota.cpu.filter(|all| unit.cpu > *all) {
        found.push((format!("{all} of cpu"), unit.cpu.to_string()));
    }
    if let Some(all) = quota.memory.filter(|all| unit.memory > *all) {
        found.push((format!("{all} of memory"), unit.memory.to_string()));
    }
    let needs = needs_of(service);
    for (resource, all) in &quota.resources {
        if let Some(needed) = needs.get(resource.as_str()).filter(|needed| **needed > u128::from(all.get())) {
            let needed = u64::try_from(*needed).unwrap_or(u64::MAX);
            found.push((format!("{all} of {resource}"), all.like(needed).to_string()));
        }
    }
    found
}

/// What one replica needs of other resources, its volumes among them.
fn needs_of(service: &Service) -> BTreeMap<&str, u128> {
    let unit = &service.unit;
    let mut needs: BTreeMap<&str, u128> =
        unit.resources.iter().map(|(resource, amount)| (resource.as_str(), u128::from(amount.get()))).collect();
    *needs.entry("disk").or_default() += volumes(unit);
    needs
}
