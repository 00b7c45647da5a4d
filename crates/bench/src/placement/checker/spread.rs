use std::collections::{BTreeMap, BTreeSet, HashSet};

use icefield_placement::{Acceptance, Demand, Host};
use icefield_spec::Spread;

use super::domains::{Domain, Domains};
use super::standing::{Replica, Service, Standing};
use super::{Case, Found, alone};

/// What counts a service's replicas: one a node, and the limits of a spread.
pub(super) fn check(case: &Case<'_>, standing: &Standing<'_>, domains: &mut Domains<'_>, found: &mut Found) {
    for service in &standing.services {
        let replicas = standing.of(service);
        let demands = || service.demands.iter().filter(|demand| !demand.indexes.is_empty());
        if demands().any(|demand| demand.one_per_node) {
            one_per_node(service, replicas, found);
        }
        for demand in demands() {
            for spread in &demand.rules.spread {
                let domain = domains.over(&spread.label);
                let counts = count(replicas, &domain);
                let of = Limits { service, spread, domain: &domain, counts: &counts };
                of.max(replicas, found);
                of.min_domains(replicas.len(), found);
                if case.cold && service.whole {
                    of.max_skew(&standing.hosts, demand, found);
                }
            }
        }
    }
}

fn one_per_node(service: &Service<'_>, replicas: &[Replica<'_>], found: &mut Found) {
    let mut nodes = HashSet::new();
    for replica in replicas {
        if !nodes.insert(replica.host) {
            found.report(|| {
                format!("{}/{} is not alone of its service on {}", service.name, replica.index, replica.at.node)
            });
        }
    }
}

/// How many replicas each domain has.
pub(super) fn count(replicas: &[Replica<'_>], domain: &Domain) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for value in replicas.iter().filter_map(|replica| domain.of(replica.host)) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

struct Limits<'a> {
    service: &'a Service<'a>,
    spread: &'a Spread,
    domain: &'a Domain,
    counts: &'a BTreeMap<usize, usize>,
}

impl Limits<'_> {
    fn max(&self, replicas: &[Replica<'_>], found: &mut Found) {
        let Some(max) = self.spread.max else { return };
        let (name, label) = (self.service.name, &self.spread.label);
        for replica in replicas.iter().filter(|replica| self.domain.of(replica.host).is_none()) {
            found.report(|| format!("{name}/{} is on {}, which has no {label}", replica.index, replica.at.node));
        }
        for count in self.counts.values().filter(|count| **count > max as usize) {
            found.report(|| format!("{name} has {count} replicas in one {label}, more than {max}"));
        }
    }

    fn min_domains(&self, placed: usize, found: &mut Found) {
        let Some(least) = self.spread.min_domains else { return };
        // A part of the service cannot be in more domains than it has replicas.
        let least = if self.service.whole { least as usize } else { placed.min(least as usize) };
        if placed > 0 && self.counts.len() < least {
            let (name, label) = (self.service.name, &self.spread.label);
            found.report(|| format!("{name} is in {} of {label}, fewer than {least}", self.counts.len()));
        }
    }

    /// Over the domains that have a node on which a replica of `demand` could be, were it empty.
    fn max_skew(&self, hosts: &[&Host], demand: &Demand, found: &mut Found) {
        let Some(skew) = self.spread.max_skew else { return };
        let admitted = hosts.iter().enumerate().filter(|(_, host)| admits(host, demand));
        let open: BTreeSet<usize> = admitted.filter_map(|(host, _)| self.domain.of(host)).collect();
        let count = |domain: &usize| self.counts.get(domain).copied().unwrap_or(0);
        let most = open.iter().map(count).max().unwrap_or(0);
        let fewest = open.iter().map(count).min().unwrap_or(0);
        if most - fewest > skew as usize {
            let (name, label) = (self.service.name, &self.spread.label);
            found.report(|| {
                format!("{name} has {most} replicas in one {label} and {fewest} in another, a skew above {skew}")
            });
        }
    }
}

fn admits(host: &Host, demand: &Demand) -> bool {
    let value = |label: &String| host.labels.get(label).map(String::as_str);
    host.acceptance == Acceptance::Ready
        && demand.rules.require.iter().all(|(label, condition)| condition.admits(value(label)))
        && alone::untolerated(host, &demand.rules.tolerate).is_none()
}
