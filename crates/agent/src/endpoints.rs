use std::collections::{BTreeMap, BTreeSet};

use icefield_api::Endpoints;
use icefield_plan::{Endpoint, NodePlan};
use icefield_spec::{Name, Revision};

use crate::home::Home;
use crate::record;

/// The files that tell replicas where the services they use are reached.
#[derive(Debug)]
pub(crate) struct EndpointFiles {
    home: Home,
    /// The services that are used, each with what its file holds, if a server has told.
    known: BTreeMap<Name, Option<Revision>>,
}

/// The services that replicas of `plan` use.
pub(crate) fn used(plan: &NodePlan) -> BTreeSet<Name> {
    plan.units.values().flat_map(|planned| planned.unit.peers()).collect()
}

impl EndpointFiles {
    pub(crate) const fn new(home: Home) -> Self {
        Self { home, known: BTreeMap::new() }
    }

    /// Sees to it that each of `services` has a file, if only with an empty list, and others have none.
    pub(crate) fn use_only(&mut self, services: &BTreeSet<Name>) {
        let gone: Vec<Name> = self.known.keys().filter(|service| !services.contains(*service)).cloned().collect();
        for service in gone {
            self.known.remove(&service);
            if let Err(error) = record::delete(&self.home.endpoints_of(&service)) {
                tracing::warn!(%service, %error, "the endpoints of a service that is not used stay");
            }
        }
        for service in services {
            if !self.known.contains_key(service) {
                let revision = self.find(service);
                self.known.insert(service.clone(), revision);
            }
        }
    }

    /// What an earlier agent was told of `service`; if nothing, its file is begun.
    fn find(&self, service: &Name) -> Option<Revision> {
        let path = self.home.endpoints_of(service);
        let found = record::read::<Vec<Endpoint>>(&path).unwrap_or_else(|error| {
            tracing::warn!(%service, %error, "the endpoints are passed over and will be told anew");
            None
        });
        match found {
            Some(found) => Some(Revision::of(&found)),
            None => {
                self.publish(service, &[]);
                None
            }
        }
    }

    /// Takes note of what a server tells.
    pub(crate) fn told(&mut self, told: BTreeMap<Name, Endpoints>) {
        for (service, endpoints) in told {
            if self.known.contains_key(&service) && self.publish(&service, &endpoints.endpoints) {
                self.known.insert(service, Some(endpoints.revision));
            }
        }
    }

    /// What is known of which service.
    pub(crate) const fn known(&self) -> &BTreeMap<Name, Option<Revision>> {
        &self.known
    }

    fn publish(&self, service: &Name, endpoints: &[Endpoint]) -> bool {
        let path = self.home.endpoints_of(service);
        let made = std::fs::create_dir_all(self.home.endpoints());
        let done = made.map_err(|error| error.to_string());
        match done.and_then(|()| record::publish(&path, &endpoints).map_err(|error| error.to_string())) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%service, error, "its endpoints cannot be told");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_follow_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let api = Name::new("api").unwrap();
        let text = || std::fs::read_to_string(home.endpoints_of(&api));
        let services = BTreeSet::from([api.clone()]);

        let mut files = EndpointFiles::new(home.clone());
        files.use_only(&services);
        assert_eq!((text().unwrap().as_str(), files.known()[&api]), ("[]\n", None));

        let node = Name::new("n1").unwrap();
        let endpoint =
            Endpoint { index: 0, node, address: "10.0.0.1".into(), ports: BTreeMap::from([(api.clone(), 80)]) };
        let endpoints = Endpoints::new(vec![endpoint]);
        let revision = endpoints.revision;
        files.told(BTreeMap::from([(api.clone(), endpoints), (Name::new("other").unwrap(), Endpoints::new(vec![]))]));
        assert_eq!(files.known(), &BTreeMap::from([(api.clone(), Some(revision))]));
        assert!(text().unwrap().contains("\"address\": \"10.0.0.1\""));

        let mut next = EndpointFiles::new(home.clone());
        next.use_only(&services);
        assert_eq!(next.known()[&api], Some(revision), "the next agent knows");
        next.use_only(&BTreeSet::new());
        assert!(text().is_err(), "not used any more");
    }

    #[test]
    fn junk_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let api = Name::new("api").unwrap();
        std::fs::create_dir_all(home.endpoints()).unwrap();
        std::fs::write(home.endpoints_of(&api), "junk").unwrap();
        let mut files = EndpointFiles::new(home.clone());
        files.use_only(&BTreeSet::from([api.clone()]));
        assert_eq!(files.known()[&api], None);
        assert_eq!(std::fs::read_to_string(home.endpoints_of(&api)).unwrap(), "[]\n");
    }
}
