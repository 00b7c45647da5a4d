use std::collections::BTreeMap;

use icefield_spec::{Bytes, Cpu, Health, Name, Port, Run, Service, Unit, Update};

use super::file::files;
use super::job::dependency;
use super::port::port;
use super::resource::resources;
use super::rule::rules;
use super::run::{bracketed, words};
use super::secret::{Env, env};
use super::volume::volumes;
use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::declarations::Declared;
use crate::docs::{FunctionDoc, first, needed, optional};
use crate::report::Report;
use crate::site::Step;
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
            optional(
                "daemon",
                "True",
                "False",
                "Whether it runs once on every node that fits, instead of a number of times.",
            ),
            optional("cpu", "\"500m\"", "\"100m\"", "CPU reserved for one replica: cores, or thousandths (\"500m\")."),
            optional("memory", "\"256MiB\"", "\"64MiB\"", "Memory reserved for one replica; also its limit."),
            optional(
                "resources",
                "{\"gpu\": 1}",
                "{}",
                "What one replica needs of other resources that nodes declare.",
            ),
            optional(
                "volumes",
                "{\"data\": \"10GiB\"}",
                "{}",
                "Folders that outlive the replica, by name: volume() or a size, which tie it to its node, nfs() or rbd().",
            ),
            optional("ports", "{\"http\": dynamic()}", "{}", "Ports by name: dynamic(), or a number."),
            optional(
                "env",
                "{\"KEY\": \"value\"}",
                "{}",
                "Environment variables: secret(), or text that may refer to $PORT_HTTP and the like.",
            ),
            optional(
                "files",
                "[file(\"app.toml\", content = \"…\")]",
                "[]",
                "Files that each replica gets, from file().",
            ),
            optional("uses", "[\"db\"]", "[]", "Services whose endpoints it is told."),
            optional(
                "require",
                "{\"disk\": \"ssd\"}",
                "{}",
                "Hard: labels that the node must have; a list means one of these. Or exists(), absent(), not_in(), \
                 at_least(), at_most(), between().",
            ),
            optional("prefer", "[prefer(\"zone\", \"a\")]", "[]", "Soft: labels that make a node better."),
            optional("spread", "[spread(\"zone\")]", "[]", "Labels over whose values replicas are spread."),
            optional(
                "keep_with",
                "[\"db\"]",
                "[]",
                "Hard: a replica of each of these services is on the same node; near() says by another label.",
            ),
            optional(
                "keep_from",
                "[near(\"batch\", \"zone\")]",
                "[]",
                "Hard: no replica of these services is on the same node; near() says by another label.",
            ),
            optional("tolerate", "[\"gpu\"]", "[]", "Taints of nodes that do not keep it away."),
            optional(
                "layout",
                "\"packed\"",
                "\"balanced\"",
                "\"balanced\" levels the load; \"packed\" fills nodes one by one; to \"any\" it does not matter.",
            ),
            optional(
                "move_cost",
                "5",
                "None",
                "Soft: the points that moving one running replica costs, 0 to 10000; a hundredth of one if not given.",
            ),
            optional(
                "priority",
                "10",
                "0",
                "Where there is no room for all, services of lower priority give way; from -1000 to 1000.",
            ),
            optional("namespace", "\"team-a\"", "None", "The namespace that it belongs to, declared by namespace()."),
            optional(
                "health",
                "http(\"/\", port = \"http\")",
                "None",
                "How to tell that it is healthy: http(), tcp() or command().",
            ),
            optional(
                "singleton",
                "True",
                "False",
                "Whether each replica runs at most once at any time, even while nodes are cut off: one that cannot renew \
                 its lease kills it before another one starts it.",
            ),
            optional(
                "update",
                "rolling(max_unavailable = 1)",
                "rolling()",
                "How a change is rolled out: rolling(), canary() or blue_green().",
            ),
            optional(
                "drain",
                "\"1s\"",
                "\"1s\"",
                "How long a replica with ports runs on after it has left discovery, before SIGTERM.",
            ),
            optional(
                "after",
                "[\"db\", job(\"migrate\")]",
                "[]",
                "Services and jobs that must be done before it starts, and before each rollout goes on.",
            ),
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
        let (texts, secret_env) = call.field_or("env", Env::default(), env);
        let unit = Unit {
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
        };
        let daemon = call.field_or("daemon", false, |arg| arg.flag());
        let (least, most) = Service::PRIORITIES.into_inner();
        let service = Service {
            daemon,
            namespace: call.field("namespace", |arg| arg.name()),
            priority: call.field_or("priority", 0, |arg| arg.whole(least.into(), most.into())),
            rules: rules(call),
            update: call.field_or("update", Update::default(), update),
            after: call.field_or("after", Vec::new(), |arg| arg.items(dependency)),
            ..Service::new(replicas(call, daemon), unit)
        };
        call.session.declarations.borrow_mut().insert(call, name, Declared::Service(Box::new(service)));
        Outcome::Nothing
    },
};

/// How many; a daemon has no number, and may be given none.
fn replicas(call: &mut Call<'_, '_>, daemon: bool) -> u32 {
    let given = call.field("replicas", |arg| arg.whole(0, i64::from(Service::MAX_REPLICAS)));
    if !daemon {
        return given.unwrap_or(1);
    }
    if given.is_some() {
        let position = call.doc.parameters.iter().position(|parameter| parameter.name == "replicas");
        let step = Step::Parameter { name: "replicas", position: position.unwrap_or_default() };
        let message = "a daemon runs once on every node that fits, so it has no number of replicas";
        call.session.report(Report::new(call.spot(step), message).help("leave out one of the two".to_owned()));
    }
    0
}

pub(super) fn run(arg: &Arg<'_, '_>) -> Option<Run> {
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

pub(super) fn update(arg: &Arg<'_, '_>) -> Option<Update> {
    arg.thing("made by rolling(), canary() or blue_green()", |thing| match thing {
        Thing::Update(update) => Some(update),
        _ => None,
    })
}
