use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use icefield_api::{EndpointChanges, EndpointMark};
use icefield_dns::Zone;
use icefield_plan::Endpoint;
use icefield_spec::Name;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::Timings;
use crate::home::Home;
use crate::host_names::HostNames;
use crate::record::{self, Keep};
use crate::servers::{Servers, pause};

/// Follows where all services are reached, and keeps the zone that DNS is answered from as it is.
#[derive(Debug)]
pub(crate) struct Discovery {
    home: Home,
    timings: Timings,
    zone: Arc<RwLock<Zone>>,
    known: Known,
    names: HostNames,
}

/// What was last heard; kept on disk, so that an agent that is started while no server answers knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Known {
    cluster: Option<Name>,
    services: BTreeMap<Name, Vec<Endpoint>>,
}

impl Discovery {
    /// How long a server is asked to wait for a change.
    const WAIT: Duration = Duration::from_secs(20);
    /// How much longer it may take to answer before another one is asked.
    const OVERDUE: Duration = Duration::from_secs(1);
    /// The least time from one writing to disk to the next.
    const WRITE_APART: Duration = Duration::from_secs(5);

    /// Begins with what an earlier agent has heard.
    pub(crate) fn open(home: &Home, timings: Timings) -> Self {
        let known = record::read::<Known>(&home.services()).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was known of the services is passed over and will be told anew");
            None
        });
        let (known, mut zone) = (known.unwrap_or_default(), Zone::new());
        if let Some(cluster) = &known.cluster {
            zone.set_cluster(cluster);
        }
        let mut names = HostNames::default();
        for (service, endpoints) in &known.services {
            zone.set(service, endpoints);
            names.replace(&[], endpoints);
        }
        Self { home: home.clone(), timings, zone: Arc::new(RwLock::new(zone)), known, names }
    }

    /// The zone that it keeps.
    pub(crate) fn zone(&self) -> Arc<RwLock<Zone>> {
        Arc::clone(&self.zone)
    }

    /// Follows the endpoints; never returns.
    pub(crate) async fn run(mut self, servers: Servers) {
        let mut mark = None;
        let (mut failures, mut written) = (0, None::<Instant>);
        let mut is_written = true;
        'ask: loop {
            let asked = Instant::now();
            let client = servers.client();
            let wait = if is_written { Self::WAIT } else { Self::WRITE_APART };
            let mut answer = pin!(timeout(wait + Self::OVERDUE, client.changed_endpoints(mark, wait)));
            let mut passed_over = pin!(servers.passed_over());
            let heard = loop {
                tokio::select! {
                    heard = &mut answer => break heard,
                    () = &mut passed_over => continue 'ask,
                    (name, addresses) = self.names.next() => self.look_up(&name, addresses),
                }
            };
            match heard {
                Ok(Ok(changes)) => {
                    failures = 0;
                    let is_news = mark != Some(changes.mark);
                    mark = Some(changes.mark);
                    is_written &= !self.take(changes);
                    // A server that does not let the request wait must not be flooded.
                    if !is_news && asked.elapsed() < self.timings.retry {
                        sleep(self.timings.retry).await;
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "cannot ask for the endpoints; those last known are gone by");
                    sleep(pause(self.timings.retry, failures)).await;
                    failures = failures.saturating_add(1);
                }
                Err(_) => servers.pass_over(),
            }
            if !is_written && written.is_none_or(|written| written.elapsed() >= Self::WRITE_APART) {
                written = Some(Instant::now());
                is_written = self.write();
            }
        }
    }

    /// Takes up the addresses of a node that is known by a name.
    fn look_up(&self, name: &str, addresses: Vec<IpAddr>) {
        self.zone.write().unwrap_or_else(PoisonError::into_inner).set_host(name, addresses);
    }

    /// Takes up what has changed; whether anything has.
    fn take(&mut self, changes: EndpointChanges) -> bool {
        let EndpointChanges { cluster, whole, services, gone, mark: EndpointMark { .. }, schema: _ } = changes;
        let mut zone = self.zone.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        if let Some(cluster) = cluster
            && self.known.cluster.as_ref() != Some(&cluster)
        {
            zone.set_cluster(&cluster);
            self.known.cluster = Some(cluster);
            changed = true;
        }
        let is_gone = |service: &Name| gone.contains(service) || (whole && !services.contains_key(service));
        let left_over: Vec<Name> = self.known.services.keys().filter(|service| is_gone(service)).cloned().collect();
        for service in left_over {
            zone.remove(&service);
            let before = self.known.services.remove(&service).unwrap_or_default();
            self.names.replace(&before, &[]).iter().for_each(|name| zone.set_host(name, Vec::new()));
            changed = true;
        }
        for (service, endpoints) in services {
            if self.known.services.get(&service) != Some(&endpoints) {
                zone.set(&service, &endpoints);
                let before = self.known.services.insert(service, endpoints.clone()).unwrap_or_default();
                self.names.replace(&before, &endpoints).iter().for_each(|name| zone.set_host(name, Vec::new()));
                changed = true;
            }
        }
        changed
    }

    fn write(&self) -> bool {
        let written = record::write(&self.home.services(), &self.known, Keep::ThisBoot);
        if let Err(error) = &written {
            tracing::warn!(%error, "the next agent will not know the services before a server answers");
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use icefield_api::SCHEMA;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn changes(whole: bool, services: &[(&str, u32)], gone: &[&str]) -> EndpointChanges {
        let endpoint = |index| Endpoint { index, node: name("n1"), address: "10.0.0.1".into(), ports: BTreeMap::new() };
        EndpointChanges {
            schema: SCHEMA,
            cluster: Some(name("shop")),
            mark: EndpointMark { epoch: 1, index: 1 },
            whole,
            services: services.iter().map(|(text, count)| (name(text), (0..*count).map(endpoint).collect())).collect(),
            gone: gone.iter().map(|text| name(text)).collect::<BTreeSet<_>>(),
        }
    }

    #[test]
    fn changes_are_taken_up_and_the_next_agent_knows_them() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let mut discovery = Discovery::open(&home, Timings::default());
        assert!(discovery.take(changes(true, &[("api", 1), ("web", 2)], &[])));
        assert!(!discovery.take(changes(true, &[("api", 1), ("web", 2)], &[])), "nothing new");
        assert!(discovery.take(changes(false, &[("web", 3)], &[])));
        assert_eq!(discovery.known.services.len(), 2, "what has not changed stays");
        assert!(discovery.take(changes(false, &[], &["api"])));
        assert!(discovery.take(changes(true, &[("db", 0)], &[])), "what is not in the whole is gone");
        assert_eq!(discovery.known.services.keys().collect::<Vec<_>>(), [&name("db")]);
        assert!(discovery.write());
        let next = Discovery::open(&home, Timings::default());
        assert_eq!(next.known, discovery.known);
        std::fs::write(home.services(), "junk").unwrap();
        assert_eq!(Discovery::open(&home, Timings::default()).known, Known::default());
    }

    #[tokio::test]
    async fn a_server_that_is_silent_is_left_once_it_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let listen = || TcpListener::bind(("127.0.0.1", 0));
        let (silent, talking) = (listen().await.unwrap(), listen().await.unwrap());
        let urls = [&silent, &talking].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
        let servers = Servers::new(&urls, None);
        let following = tokio::spawn(Discovery::open(&home, Timings::default()).run(servers.clone()));
        let (_asked, _) = silent.accept().await.unwrap();
        servers.pass_over();
        let (mut stream, _) = timeout(Duration::from_secs(5), talking.accept()).await.unwrap().unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        let body = serde_json::to_string(&changes(true, &[("web", 2)], &[])).unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        let known = || record::read::<Known>(&home.services()).unwrap();
        let written = async {
            while known().is_none() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), written).await.unwrap();
        assert_eq!(known().unwrap().services[&name("web")].len(), 2);
        following.abort();
    }
}
