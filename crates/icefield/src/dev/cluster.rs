use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use icefield_spec::Name;
use rustix::process::Signal;
use tokio::sync::mpsc;

use super::layout::{Layout, Running, RunningNode, RunningServer};
use super::process::{ProcessPlan, Supervised};
use super::slots::Slots;
use super::stop::kill_replicas;
use crate::building::NixArguments;
use crate::command_error::CommandError;

/// The processes of a dev cluster.
#[derive(Debug)]
pub(super) struct DevCluster {
    layout: Layout,
    slots: Slots,
    /// The file that is applied.
    file: PathBuf,
    temporary: bool,
    nix: NixArguments,
    servers: BTreeMap<String, (String, Supervised)>,
    /// With where each answers DNS.
    nodes: BTreeMap<Name, (SocketAddr, Supervised)>,
    notes: mpsc::UnboundedSender<String>,
}

/// How long a server may take to end.
const SERVER_PATIENCE: Duration = Duration::from_secs(3);
/// How long an agent may take to stop its replicas; they are killed then.
const AGENT_PATIENCE: Duration = Duration::from_secs(12);

impl DevCluster {
    /// A cluster of which nothing runs yet; `notes` is told what goes wrong with its processes.
    pub(super) fn new(
        layout: Layout,
        file: PathBuf,
        temporary: bool,
        nix: NixArguments,
        notes: mpsc::UnboundedSender<String>,
    ) -> Result<Self, CommandError> {
        let slots = Slots::load(&layout)?;
        Ok(Self { layout, slots, file, temporary, nix, servers: BTreeMap::new(), nodes: BTreeMap::new(), notes })
    }

    /// Starts `count` servers.
    pub(super) fn start_servers(&mut self, count: u8) -> Result<(), CommandError> {
        let mut peers = Vec::new();
        for number in 1..=count {
            let name = format!("s{number}");
            let port = self.slots.server(&name)?;
            peers.push((name, port));
        }
        self.slots.save(&self.layout)?;
        for (name, port) in &peers {
            let mut arguments = own("server");
            arguments.push("--plain".into());
            arguments.extend(["--name".into(), name.into()]);
            arguments.extend(["--listen".into(), format!("127.0.0.1:{port}").into()]);
            arguments.extend(["--data".into(), self.layout.server(name).into()]);
            for (peer, port) in &peers {
                arguments.extend(["--peer".into(), format!("{peer}=http://127.0.0.1:{port}").into()]);
            }
            let plan = ProcessPlan {
                title: format!("server {name}"),
                arguments,
                log: self.layout.log(name),
                unplugged: None,
                end: Signal::TERM,
                patience: SERVER_PATIENCE,
            };
            let url = format!("http://127.0.0.1:{port}");
            self.servers.insert(name.clone(), (url, Supervised::start(plan, self.notes.clone())));
        }
        Ok(())
    }

    /// Starts the agents of `wanted` nodes that have none yet.
    pub(super) fn start_nodes(&mut self, wanted: &[Name]) -> Result<(), CommandError> {
        let missing: Vec<&Name> = wanted.iter().filter(|name| !self.nodes.contains_key(*name)).collect();
        let folder = self.file.parent().unwrap_or(&self.file).to_path_buf();
        let mut plans = Vec::new();
        for name in missing {
            let (address, ports) = self.slots.node(name.as_str())?;
            let mut arguments = own("agent");
            arguments.extend(["--node".into(), name.as_str().into()]);
            arguments.extend(["--address".into(), address.to_string().into()]);
            arguments.extend(["--ports".into(), ports.to_string().into()]);
            let dns = SocketAddr::from((address, self.slots.dns()?));
            arguments.extend(["--dns".into(), dns.to_string().into()]);
            arguments.extend(["--exec-dir".into(), folder.clone().into()]);
            arguments.extend(["--data".into(), self.layout.node(name.as_str()).into()]);
            arguments.extend(self.nix.arguments());
            for url in self.urls() {
                arguments.extend(["--server".into(), url.into()]);
            }
            let plan = ProcessPlan {
                title: format!("agent {name}"),
                arguments,
                log: self.layout.log(&format!("node-{name}")),
                unplugged: Some(self.layout.unplugged(name.as_str())),
                end: Signal::INT,
                patience: AGENT_PATIENCE,
            };
            plans.push((name.clone(), dns, plan));
        }
        self.slots.save(&self.layout)?;
        for (name, dns, plan) in plans {
            self.nodes.insert(name, (dns, Supervised::start(plan, self.notes.clone())));
        }
        Ok(())
    }

    /// Ends the agents of nodes that are not `wanted`, their replicas first.
    pub(super) async fn stop_other_nodes(&mut self, wanted: &[Name]) {
        let gone: Vec<Name> = self.nodes.keys().filter(|name| !wanted.contains(name)).cloned().collect();
        for name in gone {
            if let Some((_, agent)) = self.nodes.remove(&name) {
                agent.stop().await;
            }
        }
    }

    /// The URLs of the servers.
    pub(super) fn urls(&self) -> Vec<String> {
        self.servers.values().map(|(url, _)| url.clone()).collect()
    }

    /// Where one of the nodes answers DNS.
    pub(super) fn dns(&self) -> Option<SocketAddr> {
        self.nodes.values().map(|(dns, _)| *dns).next()
    }

    /// What runs now.
    pub(super) fn running(&self) -> Running {
        let servers = self.servers.iter().map(|(name, (api, server))| RunningServer {
            name: name.clone(),
            api: api.clone(),
            pid: *server.pid.borrow(),
        });
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|(name, (dns, agent))| RunningNode {
            name: name.to_string(),
            pid: *agent.pid.borrow(),
            dns: Some(*dns),
        });
        Running {
            schema: 1,
            pid: std::process::id(),
            file: self.file.clone(),
            data: self.layout.root().to_path_buf(),
            temporary: self.temporary,
            servers: servers.collect(),
            nodes: nodes.collect(),
        }
    }

    /// Ends everything: the servers first, so that nobody sets out to replace what is being ended.
    pub(super) async fn stop(self) {
        let servers: Vec<_> = self.servers.into_values().map(|(_, server)| tokio::spawn(server.stop())).collect();
        for server in servers {
            // A stop that panicked has still ended: nothing of it is left to wait for.
            let _ = server.await;
        }
        let agents: Vec<_> = self.nodes.into_values().map(|(_, agent)| tokio::spawn(agent.stop())).collect();
        for agent in agents {
            let _ = agent.await;
        }
        kill_replicas(&self.layout);
    }
}

/// The first arguments of a process that ends with this one.
fn own(role: &str) -> Vec<OsString> {
    vec![role.into(), "--die-with-parent".into(), std::process::id().to_string().into()]
}
