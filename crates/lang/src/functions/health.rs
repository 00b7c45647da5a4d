use icefield_spec::{Health, Probe};

use super::run::command;
use super::{Function, Outcome};
use crate::call::Call;
use crate::docs::{FunctionDoc, ParameterDoc, first, optional};
use crate::thing::Thing;

const EVERY: ParameterDoc = optional("every", "\"2s\"", "\"2s\"", "The time from one question to the next.");
const TIMEOUT: ParameterDoc = optional("timeout", "\"1s\"", "\"1s\"", "How long an answer may take.");
const THRESHOLD: ParameterDoc = optional("threshold", "3", "3", "How many failures in a row make it unhealthy.");
const GRACE: ParameterDoc =
    optional("grace", "\"30s\"", "\"30s\"", "How long it may take from its start to its first good answer.");
const PORT: ParameterDoc = first("port", "\"http\"", "The name of one of the service's ports.");

pub(crate) static HTTP: Function = Function {
    doc: FunctionDoc {
        name: "http",
        summary: "Healthy is what answers GET with a status from 200 to 399.",
        parameters: &[first("path", "\"/\"", "The path, starting with \"/\"."), PORT, EVERY, TIMEOUT, THRESHOLD, GRACE],
        example: "health = http(\"/healthz\", port = \"http\", every = \"2s\")",
    },
    call: |call| {
        let (path, port) = (call.field("path", |arg| arg.text()), call.field("port", |arg| arg.name()));
        let probe = path.zip(port).map(|(path, port)| Probe::Http { path, port });
        health(call, probe)
    },
};

pub(crate) static TCP: Function = Function {
    doc: FunctionDoc {
        name: "tcp",
        summary: "Healthy is what accepts a connection.",
        parameters: &[PORT, EVERY, TIMEOUT, THRESHOLD, GRACE],
        example: "health = tcp(\"redis\", timeout = \"500ms\")",
    },
    call: |call| {
        let probe = call.field("port", |arg| arg.name()).map(|port| Probe::Tcp { port });
        health(call, probe)
    },
};

pub(crate) static COMMAND: Function = Function {
    doc: FunctionDoc {
        name: "command",
        summary: "Healthy is that for which a command, run in the replica's environment, exits with status 0.",
        parameters: &[
            first("command", "[\"pg_isready\"]", "The program and its arguments."),
            EVERY,
            TIMEOUT,
            THRESHOLD,
            GRACE,
        ],
        example: "health = command([\"pg_isready\", \"-p\", \"$PORT_PG\"], every = \"5s\")",
    },
    call: |call| {
        let probe = call.field("command", command).map(|command| Probe::Exec { command });
        health(call, probe)
    },
};

fn health<'v>(call: &mut Call<'_, 'v>, probe: Option<Probe>) -> Outcome<'v> {
    let interval = call.field_or("every", Health::default_interval(), |arg| arg.millis());
    let timeout = call.field_or("timeout", Health::default_timeout(), |arg| arg.millis());
    let threshold = call.field_or("threshold", Health::default_threshold(), |arg| arg.whole(1, 1_000));
    let grace = call.field_or("grace", Health::default_grace(), |arg| arg.millis());
    let probe = probe.filter(|_| call.broken.is_empty());
    Outcome::made(probe.map(|probe| Thing::Health(Health { probe, interval, timeout, threshold, grace })))
}
