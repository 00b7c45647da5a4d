use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_api::{EndpointChanges, EndpointMark, Endpoints, SCHEMA, ServiceEndpoints};
use icefield_plan::Endpoint;
use icefield_spec::Name;

/// The endpoints of every service, and when each changed last, so that whoever watches is told what changed and no more.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    mark: EndpointMark,
    cluster: Option<Name>,
    services: BTreeMap<Name, Entry>,
    /// The services by the index at which they changed last, those that are gone among them.
    by_index: BTreeMap<u64, BTreeSet<Name>>,
    /// Up to which index it is not known any more what is gone.
    forgotten: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    index: u64,
    /// `None` once the service is gone.
    endpoints: Option<Arc<Vec<Endpoint>>>,
}

impl Catalog {
    /// How many services that are gone are remembered beyond as many as there are.
    const GONE: usize = 1_000;

    /// An empty catalog of a leader whose term is `epoch`.
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            mark: EndpointMark { epoch, index: 0 },
            cluster: None,
            services: BTreeMap::new(),
            by_index: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// Takes up where each service is reached at the time `now`; whether anything has changed.
    pub(crate) fn update(&mut self, cluster: Option<&Name>, current: BTreeMap<Name, Vec<Endpoint>>, now: u64) -> bool {
        let index = now.max(self.mark.index + 1);
        // The first list is news even if it is empty.
        let mut changed = self.mark.index == 0 || self.cluster.as_ref() != cluster;
        self.cluster = cluster.cloned();
        let is_gone = |(name, entry): &(&Name, &Entry)| entry.endpoints.is_some() && !current.contains_key(*name);
        let gone: Vec<Name> = self.services.iter().filter(is_gone).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.put(name, None, index);
            changed = true;
        }
        for (name, endpoints) in current {
            let known = self.services.get(&name).and_then(|entry| entry.endpoints.as_deref());
            if known != Some(&endpoints) {
                self.put(name, Some(Arc::new(endpoints)), index);
                changed = true;
            }
        }
        if changed {
            self.mark.index = index;
            self.forget();
        }
        changed
    }

    fn put(&mut self, name: Name, endpoints: Option<Arc<Vec<Endpoint>>>, index: u64) {
        if let Some(before) = self.services.insert(name.clone(), Entry { index, endpoints })
            && let Some(names) = self.by_index.get_mut(&before.index)
        {
            names.remove(&name);
            if names.is_empty() {
                self.by_index.remove(&before.index);
            }
        }
        self.by_index.entry(index).or_default().insert(name);
    }

    /// Forgets what is gone once that is much.
    fn forget(&mut self) {
        let there = self.services.values().filter(|entry| entry.endpoints.is_some()).count();
        if self.services.len() > 2 * there + Self::GONE {
            self.services.retain(|_, entry| entry.endpoints.is_some());
            let services = &self.services;
            self.by_index.retain(|_, names| {
                names.retain(|name| services.contains_key(name));
                !names.is_empty()
            });
            self.forgotten = self.mark.index;
        }
    }

    /// Whether there is anything to tell to someone who knows all up to `known`.
    pub(crate) fn has_news(&self, known: Option<EndpointMark>) -> bool {
        known != Some(self.mark)
    }

    /// What someone is to be told who knows all up to `known`.
    pub(crate) fn since(&self, known: Option<EndpointMark>) -> EndpointChanges {
        let known = known.filter(|known| {
            known.epoch == self.mark.epoch && (self.forgotten..=self.mark.index).contains(&known.index)
        });
        let after = known.map_or(0, |known| known.index);
        let (mut services, mut gone) = (BTreeMap::new(), BTreeSet::new());
        for name in self.by_index.range(after + 1..).flat_map(|(_, names)| names) {
            match self.services.get(name).and_then(|entry| entry.endpoints.as_ref()) {
                Some(endpoints) => drop(services.insert(name.clone(), Vec::clone(endpoints))),
                None if known.is_some() => drop(gone.insert(name.clone())),
                None => {}
            }
        }
        let cluster = self.cluster.clone();
        EndpointChanges { schema: SCHEMA, cluster, mark: self.mark, whole: known.is_none(), services, gone }
    }

    /// Where a service is reached; `None` if there is no such service.
    pub(crate) fn service(&self, name: &str) -> Option<ServiceEndpoints> {
        let entry = self.services.get(name)?;
        let endpoints = Endpoints::new(Vec::clone(entry.endpoints.as_ref()?));
        Some(ServiceEndpoints { index: entry.index, endpoints })
    }

    /// The index at which a service changed last; also of one that is gone.
    pub(crate) fn index_of(&self, name: &str) -> Option<u64> {
        self.services.get(name).map(|entry| entry.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sample::name;

    fn list(services: &[(&str, u32)]) -> BTreeMap<Name, Vec<Endpoint>> {
        let endpoints = |count: u32| {
            let endpoint =
                |index| Endpoint { index, node: name("n1"), address: "10.0.0.1".into(), ports: BTreeMap::new() };
            (0..count).map(endpoint).collect()
        };
        services.iter().map(|(text, count)| (name(text), endpoints(*count))).collect()
    }

    fn told(changes: &EndpointChanges) -> Vec<(&str, usize)> {
        changes.services.iter().map(|(name, endpoints)| (name.as_str(), endpoints.len())).collect()
    }

    #[test]
    fn whoever_knows_some_is_told_the_rest() {
        let shop = name("shop");
        let mut catalog = Catalog::new(3);
        assert!(catalog.update(Some(&shop), list(&[("api", 2), ("web", 1)]), 100));
        let all = catalog.since(None);
        assert!(all.whole && all.mark == EndpointMark { epoch: 3, index: 100 });
        assert_eq!(told(&all), [("api", 2), ("web", 1)]);
        assert!(!catalog.has_news(Some(all.mark)));
        assert!(!catalog.update(Some(&shop), list(&[("api", 2), ("web", 1)]), 200), "nothing has changed");
        assert!(catalog.update(Some(&shop), list(&[("api", 2), ("web", 0)]), 90), "a clock that goes back");
        let changes = catalog.since(Some(all.mark));
        assert_eq!((changes.whole, changes.mark.index, told(&changes)), (false, 101, vec![("web", 0)]));
        assert!(catalog.update(Some(&shop), list(&[("web", 0)]), 300));
        let changes = catalog.since(Some(changes.mark));
        assert_eq!((changes.gone, changes.services.len()), (BTreeSet::from([name("api")]), 0));
        assert!(catalog.since(None).gone.is_empty());
        assert_eq!((catalog.service("api"), catalog.index_of("api")), (None, Some(300)));
        assert_eq!(catalog.service("web").unwrap().index, 101);
    }

    #[test]
    fn the_count_of_another_leader_means_nothing() {
        let mut catalog = Catalog::new(4);
        catalog.update(None, list(&[("web", 1)]), 100);
        for mark in [EndpointMark { epoch: 3, index: 100 }, EndpointMark { epoch: 4, index: 101 }] {
            assert!(catalog.has_news(Some(mark)) && catalog.since(Some(mark)).whole, "{mark:?}");
        }
    }

    #[test]
    fn what_is_gone_is_not_remembered_for_ever() {
        let mut catalog = Catalog::new(1);
        let early = (0..Catalog::GONE + 5).map(|n| (format!("job-{n}"), 0)).collect::<Vec<_>>();
        let early: Vec<(&str, u32)> = early.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        catalog.update(None, list(&early), 1);
        let mark = catalog.mark;
        catalog.update(None, list(&[("web", 1)]), 2);
        let changes = catalog.since(Some(mark));
        assert!(changes.whole && changes.gone.is_empty(), "{} are gone", changes.gone.len());
        assert_eq!(told(&changes), [("web", 1)]);
        assert_eq!(catalog.by_index.len(), 1);
    }
}
