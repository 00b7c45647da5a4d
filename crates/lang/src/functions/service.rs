use std::collections::BTreeMap;

use icefield_spec::{
    Bytes, Condition, Cpu, Health, Layout, Name, Port, Prefer, Rules, Run, Service, Spread, Unit, Update,
};

use super::port::port;
use super::run::{bracketed, words};
use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::declarations::Declared;
use crate::docs::{FunctionDoc, first, needed, optional};
use crate::thing::Thing;

pub(crate) static SERVICE: Function = Function {
    doc: FunctionDoc {
        name: "service",
        summary: "Declares something to run, and how many replicas of it.",
        parameters: &[
            first("name", "\"web\"", "Its name: a-z, 0-9 and '-'."),
            needed(
                "run",
                "exec([\"program\", \"argument\"])",
                "What runs: exec(), nix(), nixos(), container() or microvm().",
            ),
            optional("replicas", "3", "1", "How many replicas; 0 switches it off."),
            optional("cpu", "\"500m\"", "\"100m\"", "CPU reserved for one replica: cores, or thousandths (\"500m\")."),
            optional("memory", "\"256MiB\"", "\"64MiB\"", "Memory reserved for one replica; also its limit."),
            optional("ports", "{\"http\": dynamic()}", "{}", "Ports by name: dynamic(), or a number."),
            optional(
                "env",
                "{\"KEY\": \"value\"}",
                "{}",
                "Environment variables; values may refer to $PORT_HTTP and the like.",
            ),
            optional("uses", "[\"db\"]", "[]", "Services whose endpoints it is told."),
            optional(
                "require",
                "{\"disk\": \"ssd\"}",
                "{}",
                "Hard: labels that the node must have; a list means one of these.",
            ),
            optional("prefer", "[prefer(\"zone\", \"a\")]", "[]", "Soft: labels that make a node better."),
            optional("spread", "[spread(\"zone\")]", "[]", "Labels over whose values replicas are spread."),
            optional(
                "layout",
                "\"packed\"",
                "\"balanced\"",
                "\"balanced\" levels the load; \"packed\" fills nodes one by one.",
            ),
            optional(
                "health",
                "http(\"/\", port = \"http\")",
                "None",
                "How to tell that it is healthy: http(), tcp() or command().",
            ),
            optional("update", "rolling(max_unavailable = 1)", "rolling()", "How a change is rolled out."),
            optional("stop_grace", "\"10s\"", "\"10s\"", "How long it may take to end after SIGTERM."),
        ],
        example: "service(\"web\",\n    run = exec([\"python3\", \"-m\", \"http.server\", \"$PORT_HTTP\"]),\n    replicas = 3,\n    ports = {\"http\": dynamic()},\n    health = http(\"/\", port = \"http\"),\n)",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        // Something harmless stands for what is missing or no good, so that the rest can be checked.
        let nothing = Run::Exec { command: vec!["true".into()] };
        let run = call.field_or("run", nothing, run);
        let cpu = call.field_or("cpu", Cpu::from_millis(100), |arg| arg.cpu());
        let memory = call.field_or("memory", Bytes::new(64 << 20), |arg| arg.bytes());
        let unit = Unit {
            ports: call.field_or("ports", BTreeMap::new(), ports),
            env: call.field_or("env", BTreeMap::new(), env),
            uses: call.field_or("uses", Vec::new(), |arg| arg.items(|item| item.name())),
            health: call.field("health", health),
            stop_grace: call.field_or("stop_grace", Unit::default_stop_grace(), |arg| arg.millis()),
            ..Unit::new(run, cpu, memory)
        };
        let replicas = call.field_or("replicas", 1, |arg| arg.whole(0, i64::from(Service::MAX_REPLICAS)));
        let service = Service {
            rules: rules(call),
            update: call.field_or("update", Update::default(), update),
            ..Service::new(replicas, unit)
        };
        call.session.declarations.borrow_mut().insert(call, name, Declared::Service(Box::new(service)));
        Outcome::Nothing
    },
};

fn rules(call: &mut Call<'_, '_>) -> Rules {
    Rules {
        require: call.field_or("require", BTreeMap::new(), require),
        prefer: call.field_or("prefer", Vec::new(), |arg| arg.items(prefer)),
        spread: call.field_or("spread", Vec::new(), |arg| arg.items(spread)),
        layout: call.field_or("layout", Layout::default(), |arg| {
            arg.choice(&[("balanced", Layout::Balanced), ("packed", Layout::Packed)])
        }),
        ..Rules::default()
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

fn env(arg: &Arg<'_, '_>) -> Option<BTreeMap<String, String>> {
    Some(arg.entries(|_, value| value.text())?.into_iter().collect())
}

fn require(arg: &Arg<'_, '_>) -> Option<BTreeMap<String, Condition>> {
    let entries = arg.entries(|_, value| match value.value().unpack_str() {
        Some(one) => Some(Condition::one_of([one])),
        None => value.items(|item| item.text()).map(Condition::one_of),
    })?;
    Some(entries.into_iter().collect())
}

fn prefer(arg: &Arg<'_, '_>) -> Option<Prefer> {
    arg.thing("made by prefer(\"label\", \"value\")", |thing| match thing {
        Thing::Prefer(prefer) => Some(prefer),
        _ => None,
    })
}

fn spread(arg: &Arg<'_, '_>) -> Option<Spread> {
    arg.thing("made by spread(\"label\")", |thing| match thing {
        Thing::Spread(spread) => Some(spread),
        _ => None,
    })
}

fn health(arg: &Arg<'_, '_>) -> Option<Health> {
    arg.thing("made by http(), tcp() or command()", |thing| match thing {
        Thing::Health(health) => Some(health),
        _ => None,
    })
}

fn update(arg: &Arg<'_, '_>) -> Option<Update> {
    arg.thing("made by rolling()", |thing| match thing {
        Thing::Update(update) => Some(update),
        _ => None,
    })
}
