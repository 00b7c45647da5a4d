use std::collections::{BTreeMap, HashMap};

use icefield_spec::{Company, Name};

use super::Found;
use super::domains::{Domain, Domains};
use super::spread::count;
use super::standing::{Replica, Service, Standing};

/// Other services that must be near or must not. One service's word is enough: who is placed after whom is no matter.
pub(super) fn check(standing: &Standing<'_>, domains: &mut Domains<'_>, found: &mut Found) {
    let mut neighbours = Neighbours::new(standing);
    for service in &standing.services {
        for demand in service.demands {
            let own = || standing.of(service).iter().filter(|replica| std::ptr::eq(replica.demand, demand));
            for company in &demand.rules.keep_with {
                let domain = domains.over(&company.label);
                keep_with(service, own(), company, &domain, neighbours.near(company, &domain), found);
            }
            for company in &demand.rules.keep_from {
                let domain = domains.over(&company.label);
                keep_from(service, own(), company, &domain, neighbours.near(company, &domain), found);
            }
        }
    }
}

/// How many replicas of a service each domain of a label has; counted once for each that someone asks for.
struct Neighbours<'a> {
    standing: &'a Standing<'a>,
    services: HashMap<&'a Name, &'a Service<'a>>,
    counts: HashMap<(Name, String), BTreeMap<usize, usize>>,
}

impl<'a> Neighbours<'a> {
    fn new(standing: &'a Standing<'a>) -> Self {
        let services = standing.services.iter().map(|service| (service.name, service)).collect();
        Self { standing, services, counts: HashMap::new() }
    }

    fn near(&mut self, company: &Company, domain: &Domain) -> &BTreeMap<usize, usize> {
        let key = (company.service.clone(), company.label.clone());
        self.counts.entry(key).or_insert_with(|| {
            let replicas = self.services.get(&company.service).map_or(&[][..], |service| self.standing.of(service));
            count(replicas, domain)
        })
    }
}

/// Each replica has one of the other service in its domain; with itself, all are in one.
fn keep_with<'a>(
    service: &Service<'_>,
    own: impl Iterator<Item = &'a Replica<'a>>,
    company: &Company,
    domain: &Domain,
    near: &BTreeMap<usize, usize>,
    found: &mut Found,
) {
    for replica in own {
        if !domain.of(replica.host).is_some_and(|domain| near.contains_key(&domain)) {
            let Replica { service, index, at, .. } = replica;
            found.report(|| {
                format!("{service}/{index} on {}: no {} in its {}", at.node, company.service, company.label)
            });
        }
    }
    if company.service == *service.name && near.len() > 1 {
        found.report(|| format!("{} is in {} of {}, not all in one", service.name, near.len(), company.label));
    }
}

/// No replica has one of the other service in its domain; with itself, no other one.
fn keep_from<'a>(
    service: &Service<'_>,
    own: impl Iterator<Item = &'a Replica<'a>>,
    company: &Company,
    domain: &Domain,
    near: &BTreeMap<usize, usize>,
    found: &mut Found,
) {
    let itself = usize::from(company.service == *service.name);
    for replica in own {
        let there = domain.of(replica.host).and_then(|domain| near.get(&domain)).copied().unwrap_or(0);
        if there > itself {
            let Replica { service, index, at, .. } = replica;
            found.report(|| {
                format!("{service}/{index} on {}: {} is in its {}", at.node, company.service, company.label)
            });
        }
    }
}
