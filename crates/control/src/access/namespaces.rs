use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::{Name, Spec};

/// What differs between two specs that is no service or job in one of `namespaces`: a line each, empty if there is no such thing.
pub fn outside(before: Option<&Spec>, after: &Spec, namespaces: &BTreeSet<Name>) -> Vec<String> {
    let none = Spec::empty(after.cluster.clone());
    let before = before.unwrap_or(&none);
    let mut found = Vec::new();
    if before.cluster != after.cluster {
        found.push(format!("the cluster's name {}", after.cluster));
    }
    if before.policy != after.policy {
        found.push("the policy".into());
    }
    found.extend(differing(&before.bases, &after.bases).map(|name| format!("base {name}")));
    found.extend(differing(&before.nodes, &after.nodes).map(|name| format!("node {name}")));
    found.extend(differing(&before.pools, &after.pools).map(|name| format!("pool {name}")));
    found.extend(differing(&before.namespaces, &after.namespaces).map(|name| format!("the quota of namespace {name}")));
    for name in differing(&before.services, &after.services) {
        let versions = [&before.services, &after.services].into_iter().filter_map(|services| services.get(name));
        for service in versions {
            match &service.namespace {
                Some(namespace) if namespaces.contains(namespace) => continue,
                Some(namespace) => found.push(format!("service {name} of namespace {namespace}")),
                None => found.push(format!("service {name}, which is of no namespace")),
            }
            break;
        }
    }
    for name in differing(&before.jobs, &after.jobs) {
        let versions = [&before.jobs, &after.jobs].into_iter().filter_map(|jobs| jobs.get(name));
        for job in versions {
            match &job.namespace {
                Some(namespace) if namespaces.contains(namespace) => continue,
                Some(namespace) => found.push(format!("job {name} of namespace {namespace}")),
                None => found.push(format!("job {name}, which is of no namespace")),
            }
            break;
        }
    }
    found
}

/// The names of what is only in one of both, or not the same in both.
fn differing<'a, T: PartialEq>(
    before: &'a BTreeMap<Name, T>,
    after: &'a BTreeMap<Name, T>,
) -> impl Iterator<Item = &'a Name> {
    let names: BTreeSet<&Name> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sample::{name, service, spec};

    fn of(namespaces: &[(&str, &str, &str)]) -> Spec {
        let mut spec = spec(&["n1"], &[]);
        for (text, version, namespace) in namespaces {
            let mut service = service(version, 1);
            service.namespace = (!namespace.is_empty()).then(|| name(namespace));
            spec.services.insert(name(text), service);
        }
        spec
    }

    #[test]
    fn only_services_of_ones_own_namespaces_are_inside() {
        let mine: BTreeSet<Name> = [name("shop")].into();
        let before = of(&[("web", "a", "shop"), ("api", "a", "bank"), ("db", "a", "")]);
        let outside = |after: &Spec| super::outside(Some(&before), after, &mine);
        let after = of(&[("web", "b", "shop"), ("new", "a", "shop"), ("api", "a", "bank"), ("db", "a", "")]);
        assert_eq!(outside(&after), [""; 0]);
        let after = of(&[("api", "b", "bank")]);
        assert_eq!(outside(&after), ["service api of namespace bank", "service db, which is of no namespace"]);
        // Neither taking a service out of one's namespace nor taking another's into it is a way around.
        let after = of(&[("web", "a", "bank"), ("api", "a", "shop"), ("db", "a", "")]);
        assert_eq!(outside(&after), ["service api of namespace bank", "service web of namespace bank"]);
        let mut after = before.clone();
        after.nodes.clear();
        after.cluster = name("other");
        assert_eq!(outside(&after), ["the cluster's name other", "node n1"]);
        assert_eq!(super::outside(None, &of(&[("web", "a", "shop")]), &mine), ["node n1"]);
    }
}
