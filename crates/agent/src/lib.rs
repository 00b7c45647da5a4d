//! What makes a node plan true: starts, watches, asks and stops the replicas of one node.
//!
//! An [`Agent`] follows its node's generation, keeps the newest one on disk and goes by that when no server answers.
//! Each replica runs under a supervisor of its own ([`shim_main`]), so it outlives the agent, and the next agent takes
//! it over. What to do next is decided in `core`, which knows no process and no clock; everything else carries it out.

mod activation;
mod adopt;
mod agent;
mod alarm;
mod api;
mod beat;
mod boottime;
mod cgroup;
mod closures;
mod config;
mod core;
mod discovery;
mod driver;
mod endpoints;
mod error;
mod exchange;
mod files;
mod follow;
mod generation;
mod heartbeat;
mod home;
mod host_names;
mod kill;
mod launch;
mod logs;
mod mounts;
mod past;
mod past_generations;
mod ports;
mod private;
mod probe;
mod process;
mod record;
mod reload;
mod run;
mod secret_variables;
mod secrets;
mod secured;
mod servers;
mod shim;
mod shutdown;
mod supervisor;
mod systemd;
mod timer;
mod volumes;
mod wall_clock;
mod watch;
mod work;

pub use activation::{Activation, Given, SystemConfig};
pub use agent::Agent;
pub use config::{AgentConfig, DnsConfig};
pub use core::Timings;
pub use error::AgentError;
pub use exchange::ExchangeConfig;
pub use icefield_nix::{NixConfig, Sources};
pub use kill::kill_all;
pub use shim::{LogLimits, shim_main};
pub use shutdown::Shutdown;
pub use systemd::{SystemdConfig, SystemdManager};
