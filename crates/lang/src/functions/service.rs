use icefield_spec::{Service, Update};

use super::rule::rules;
use super::unit::unit;
use super::{Function, Outcome, rule, steering, unit};
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
            unit::CPU,
            unit::MEMORY,
            unit::RESOURCES,
            unit::VOLUMES,
            unit::PORTS,
            unit::ENV,
            unit::FILES,
            unit::USES,
            rule::REQUIRE,
            rule::PREFERENCES,
            optional("spread", "[spread(\"zone\")]", "[]", "Labels over whose values replicas are spread."),
            rule::KEEP_WITH,
            rule::KEEP_FROM,
            rule::TOLERATE,
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
            steering::PRIORITY,
            steering::NAMESPACE,
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
                "\"2s\"",
                "\"2s\"",
                "How long a replica with ports runs on after it has left discovery, before SIGTERM. Callers may go by an \
                 answer of DNS for a second.",
            ),
            steering::AFTER,
            unit::STOP_GRACE,
        ],
        example: "service(\"web\",\n    run = exec([\"python3\", \"-m\", \"http.server\", \"$PORT_HTTP\"]),\n    replicas = 3,\n    ports = {\"http\": dynamic()},\n    health = http(\"/\", port = \"http\"),\n)",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        let unit = unit(call);
        let daemon = call.field_or("daemon", false, |arg| arg.flag());
        let service = Service {
            daemon,
            namespace: steering::namespace(call),
            priority: steering::priority(call),
            rules: rules(call),
            update: call.field_or("update", Update::default(), update),
            after: steering::after(call),
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

pub(super) fn update(arg: &Arg<'_, '_>) -> Option<Update> {
    arg.thing("made by rolling(), canary() or blue_green()", |thing| match thing {
        Thing::Update(update) => Some(update),
        _ => None,
    })
}
