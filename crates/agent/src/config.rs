use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use icefield_api::{Capacity, Keyring};
use icefield_dns::Forward;
use icefield_nix::{NixConfig, Sources};
use icefield_spec::Name;

use crate::{ExchangeConfig, LogLimits, SystemConfig, SystemdConfig, Timings};

/// All that an agent is told when it starts.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The node that it is the agent of.
    pub node: Name,
    /// The URLs of the cluster's servers; at least one.
    pub servers: Vec<String>,
    /// What it proves itself with to the servers, and whom it trusts; `None` where the servers speak plain HTTP. It is kept in
    /// [`AgentConfig::data`] too, and renewed by the agent.
    pub keyring: Option<Keyring>,
    /// Where it keeps what it must not forget; one agent a folder.
    pub data: PathBuf,
    /// The address that replicas on this node listen on and are reached by.
    pub address: String,
    /// Where its own API listens; port 0 takes a free one. With a keyring, it is for the servers alone.
    pub listen: SocketAddr,
    /// What the machine has.
    pub capacity: Capacity,
    /// Where programs of `exec` units run, if not each in a folder of its own.
    pub exec_dir: Option<PathBuf>,
    /// Which Nix and which store `nix` units are run from.
    pub nix: NixConfig,
    /// Where closures are fetched from that the store does not have.
    pub sources: Sources,
    /// Whether and how it exchanges closures with the agents of other nodes.
    pub exchange: Option<ExchangeConfig>,
    /// What every program's environment begins with: `PATH` and the like. The agent's own environment is not passed on.
    pub base_env: BTreeMap<String, String>,
    /// The command line that ends in [`crate::shim_main`], whatever folder it is run in: the program and the hidden
    /// subcommand, such as `/proc/self/exe shim`.
    pub shim_command: Vec<OsString>,
    /// Whether secrets may be kept on a disk where there is no file system in memory: for a cluster of one machine alone.
    pub secrets_on_disk: bool,
    /// The lengths of time that it goes by.
    pub timings: Timings,
    /// How much of what replicas write is kept.
    pub log: LogLimits,
    /// Whether and how it changes the NixOS system of its node.
    pub system: Option<SystemConfig>,
    /// Which systemd runs services that have units of their own: `nixos(…)`, and `nix(…)` too. Without one, the former are not run,
    /// and the latter by a supervisor as all others.
    pub systemd: Option<SystemdConfig>,
    /// Whether and how it answers DNS for the names of services.
    pub dns: Option<DnsConfig>,
}

/// How an agent answers DNS.
#[derive(Debug, Clone)]
pub struct DnsConfig {
    /// Where: an address of this node, or a loopback one; port 0 takes a free one. Replicas are told in `ICEFIELD_DNS`.
    pub listen: SocketAddr,
    /// Who is asked what is not of the cluster.
    pub forward: Forward,
}
