//! A whole cluster on this machine: servers and agents, each a process of its own, under one supervisor.

mod apply_loop;
mod cluster;
mod detach;
mod layout;
mod plug;
mod process;
mod registry;
mod sample;
mod secrets;
mod session;
mod slots;
mod stop;
mod watched_files;

pub(crate) use detach::detach;
pub(crate) use plug::{plug_in, pull_plug};
pub(crate) use registry::Registry;
pub(crate) use secrets::DevSecrets;
pub(crate) use session::{Options, run};
pub(crate) use stop::stop;
