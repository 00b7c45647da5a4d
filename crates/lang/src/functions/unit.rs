//! What service() and job() say alike of what runs.

use std::collections::BTreeMap;

use icefield_spec::{Bytes, Cpu, Health, Name, Port, Run, Unit};

use super::file::files;
use super::port::port;
use super::resource::resources;
use super::run::{bracketed, words};
use super::secret::{Env, env};
use super::volume::volumes;
use crate::arg::Arg;
use crate::call::Call;
use crate::docs::{ParameterDoc, optional};
use crate::thing::Thing;

pub(super) const CPU: ParameterDoc =
    optional("cpu", "\"500m\"", "\"100m\"", "CPU reserved for each that runs: cores, or thousandths (\"500m\").");
pub(super) const MEMORY: ParameterDoc =
    optional("memory", "\"256MiB\"", "\"64MiB\"", "Memory reserved for each that runs; also its limit.");
pub(super) const RESOURCES: ParameterDoc =
    optional("resources", "{\"gpu\": 1}", "{}", "What each that runs needs of other resources that nodes declare.");
pub(super) const VOLUMES: ParameterDoc = optional(
    "volumes",
    "{\"data\": \"10GiB\"}",
    "{}",
    "Folders that outlive what runs, by name: volume() or a size, which tie it to its node, nfs() or rbd(). Each replica has \
     its own; those of a job are there for all its runs.",
);
pub(super) const PORTS: ParameterDoc = optional(
    "ports",
    "{\"http\": dynamic()}",
    "{}",
    "Ports by name: dynamic(), or a number. Discovery tells of those of services.",
);
pub(super) const ENV: ParameterDoc = optional(
    "env",
    "{\"KEY\": \"value\"}",
    "{}",
    "Environment variables: secret(), or text that may refer to $PORT_HTTP and the like.",
);
pub(super) const FILES: ParameterDoc =
    optional("files", "[file(\"app.toml\", content = \"…\")]", "[]", "Files that each that runs gets, from file().");
pub(super) const USES: ParameterDoc = optional(
    "uses",
    "[\"db\"]",
    "[]",
    "Services whose endpoints it is told: by files, by $DB_HOST, and for a port that is a number, $DB_PORT_HTTP.",
);
pub(super) const STOP_GRACE: ParameterDoc =
    optional("stop_grace", "\"10s\"", "\"10s\"", "How long it may take to end after SIGTERM.");

/// The unit among the arguments of a service or a job; what one of them does not have is as if it were not given.
pub(super) fn unit(call: &mut Call<'_, '_>) -> Unit {
    // Something harmless stands for what is missing or no good, so that the rest can be checked.
    let nothing = Run::Exec { command: vec!["true".into()] };
    let run = call.field_or("run", nothing, run);
    let cpu = call.field_or("cpu", Cpu::from_millis(100), |arg| arg.cpu());
    let memory = call.field_or("memory", Bytes::new(64 << 20), |arg| arg.bytes());
    let (texts, secret_env) = call.field_or("env", Env::default(), env);
    Unit {
        resources: call.field_or("resources", BTreeMap::new(), resources),
        volumes: call.field_or("volumes", BTreeMap::new(), volumes),
        ports: call.field_or("ports", BTreeMap::new(), ports),
        env: texts,
        secret_env,
        files: call.field_or("files", BTreeMap::new(), files),
        uses: call.field_or("uses", Vec::new(), |arg| arg.items(|item| item.name())),
        health: call.field("health", health),
        singleton: call.field_or("singleton", false, |arg| arg.flag()),
        drain: call.field_or("drain", Unit::default_drain(), |arg| arg.millis()),
        stop_grace: call.field_or("stop_grace", Unit::default_stop_grace(), |arg| arg.millis()),
        ..Unit::new(run, cpu, memory)
    }
}

fn run(arg: &Arg<'_, '_>) -> Option<Run> {
    if let Some(words) = words(arg.value()) {
        let message = "\"run\" must say how: exec(), nix(), nixos(), container() or microvm()";
        return arg.refuse(message, format!("write exec({})", bracketed(&words)));
    }
    arg.thing("made by exec(), nix(), nixos(), container() or microvm()", |thing| match thing {
        Thing::Run(run) => Some(run),
        _ => None,
    })
}

fn ports(arg: &Arg<'_, '_>) -> Option<BTreeMap<Name, Port>> {
    let entries = arg.entries(|key, value| {
        let name = value.key(key).as_name(key);
        name.zip(port(value))
    })?;
    Some(entries.into_iter().map(|(_, entry)| entry).collect())
}

pub(super) fn health(arg: &Arg<'_, '_>) -> Option<Health> {
    arg.thing("made by http(), tcp() or command()", |thing| match thing {
        Thing::Health(health) => Some(health),
        _ => None,
    })
}
