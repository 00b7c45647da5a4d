//! The part of the agent's loop that is about others: what it tells them, and what it gets from them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::Work;
use crate::closures::FetchClosures;
use crate::exchange::Exchange;
use crate::heartbeat::{Heartbeats, Report};
use crate::servers::Servers;

impl Work {
    pub(super) fn heartbeats(&self, servers: Servers, api: SocketAddr, cache: Option<SocketAddr>) -> Heartbeats {
        let url = |at: SocketAddr| format!("{}://{at}", if self.config.keyring.is_some() { "https" } else { "http" });
        Heartbeats {
            servers,
            node: self.config.node.clone(),
            address: self.config.address.clone(),
            api: url(api),
            cache: cache.map(url),
            capacity: self.config.capacity,
            drivers: self.launcher.drivers.kinds(),
            timings: self.config.timings.clone(),
            beginning: self.beginning,
            started: self.started,
            contact: self.contact.clone(),
        }
    }

    /// What exchanges closures with other nodes, if this one does.
    pub(super) fn exchange(&self, servers: Servers) -> Option<Arc<Exchange>> {
        let (node, sources) = (self.config.node.clone(), self.config.sources.clone());
        let (keyring, folder) = (self.config.keyring.clone(), self.launcher.home.fetching());
        let config = self.config.exchange.as_ref()?;
        Some(Exchange::new(node, servers, sources, keyring, config, folder))
    }

    pub(super) fn fetch_closures(&self, exchange: Option<Arc<Exchange>>) -> FetchClosures {
        FetchClosures {
            exchange,
            nix: self.config.nix.clone(),
            sources: self.config.sources.clone(),
            folder: self.launcher.home.closures(),
            retry: self.config.timings.retry,
            missing: self.unfetched.subscribe(),
        }
    }

    /// Makes known how things stand: to the servers, and to the next agent.
    pub(super) fn tell(&mut self, report: &watch::Sender<Report>) {
        for (id, run) in &mut self.runs {
            if run.process.is_some() {
                run.mark(self.local.is_healthy(id));
            }
        }
        self.give();
        let missing = self.launcher.groups.missing().map(str::to_owned);
        let missing = missing.into_iter().chain(self.launcher.systemd.as_ref().err().cloned());
        let own = self.complaint.clone().into_iter().chain(missing).chain(self.without_activation());
        let message: Vec<String> = own.chain(self.closures.complaints()).collect();
        let new = Report {
            generation: self.kept.number(),
            replicas: self.local.report(self.now()),
            endpoints: self.endpoints.known().clone(),
            message: (!message.is_empty()).then(|| message.join("; ")),
            drift: self.drift.told(),
            system: self.system.as_ref().map(|system| system.borrow().clone()),
        };
        report.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }
}
