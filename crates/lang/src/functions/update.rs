use icefield_spec::{Millis, Share, Strategy, Update, Wait};

use super::{Function, Outcome};
use crate::call::Call;
use crate::docs::{FunctionDoc, ParameterDoc, optional};
use crate::report::Report;
use crate::site::Step;
use crate::thing::Thing;

const MAX_UNAVAILABLE: ParameterDoc = optional(
    "max_unavailable",
    "1",
    "1",
    "How many replicas may be down at once by the update's doing; 0 with max_surge.",
);
const MAX_SURGE: ParameterDoc = optional(
    "max_surge",
    "1",
    "0",
    "How many replicas there may be beyond the declared number meanwhile: new ones serve before old ones go.",
);
const HEALTHY_FOR: ParameterDoc =
    optional("healthy_for", "\"5s\"", "\"1s\"", "How long a new replica must be healthy before it counts.");
const DEADLINE: ParameterDoc =
    optional("deadline", "\"2m\"", "\"1m\"", "How long one step may take before the update has failed.");
const ROLLBACK: ParameterDoc =
    optional("rollback", "True", "True", "Whether a failed update goes back to the last good revision.");
const CONFIRM: ParameterDoc =
    optional("confirm", "True", "False", "Wait for `icefield rollout confirm` instead of for a time.");

pub(crate) static ROLLING: Function = Function {
    doc: FunctionDoc {
        name: "rolling",
        summary: "Updates a few replicas at a time; each must prove itself before the next.",
        parameters: &[MAX_UNAVAILABLE, MAX_SURGE, HEALTHY_FOR, DEADLINE, ROLLBACK],
        example: "update = rolling(max_unavailable = 0, max_surge = 1, healthy_for = \"5s\")",
    },
    call: |call| {
        let update = rolling(call, Strategy::Rolling);
        made(call, update)
    },
};

pub(crate) static CANARY: Function = Function {
    doc: FunctionDoc {
        name: "canary",
        summary: "Updates a few replicas first, which must stand the test; then the rest as rolling() does.",
        parameters: &[
            optional("count", "1", "1", "How many are first."),
            optional("percent", "10", "None", "How many of a hundred are first, instead of a number; at least one."),
            optional("hold", "\"10m\"", "\"30s\"", "How long they must do well before the rest follows."),
            CONFIRM,
            MAX_UNAVAILABLE,
            MAX_SURGE,
            HEALTHY_FOR,
            DEADLINE,
            ROLLBACK,
        ],
        example: "update = canary(percent = 10, hold = \"10m\")",
    },
    call: |call| {
        const DEFAULT_HOLD: Millis = Millis::new(30_000);
        let count = call.field("count", |arg| arg.whole(1, i64::from(u32::MAX)));
        let percent = call.field("percent", |arg| arg.whole(1, 100));
        if count.is_some() && percent.is_some() {
            report_both(call, "percent", "count and percent both say how many are first");
        }
        let share = percent.map(Share::Percent).or(count.map(Share::Count)).unwrap_or(Share::Count(1));
        let wait = wait(call, DEFAULT_HOLD);
        let update = rolling(call, Strategy::Canary { share, wait });
        made(call, update)
    },
};

pub(crate) static BLUE_GREEN: Function = Function {
    doc: FunctionDoc {
        name: "blue_green",
        summary: "Starts all new replicas beside the old ones; once all have proved themselves, discovery switches to them.",
        parameters: &[
            optional("hold", "\"10m\"", "\"0s\"", "How long the new ones must do well before it switches."),
            CONFIRM,
            optional(
                "keep",
                "\"5m\"",
                "\"10s\"",
                "How long the old ones run on after the switch, so that going back is a switch too.",
            ),
            HEALTHY_FOR,
            DEADLINE,
            ROLLBACK,
        ],
        example: "update = blue_green(confirm = True, keep = \"5m\")",
    },
    call: |call| {
        const DEFAULT_KEEP: Millis = Millis::new(10_000);
        let wait = wait(call, Millis::default());
        let keep = call.field_or("keep", DEFAULT_KEEP, |arg| arg.millis());
        let update = steps(call, Update { kind: Strategy::BlueGreen { wait, keep }, ..Update::default() });
        made(call, update)
    },
};

fn made<'v>(call: &Call<'_, 'v>, update: Update) -> Outcome<'v> {
    Outcome::made(call.broken.is_empty().then_some(Thing::Update(update)))
}

/// What those that replace a few at a time are told.
fn rolling(call: &mut Call<'_, '_>, kind: Strategy) -> Update {
    let default = Update::default();
    let count =
        |call: &mut Call<'_, '_>, name, default| call.field_or(name, default, |arg| arg.whole(0, i64::from(u32::MAX)));
    let max_unavailable = count(call, "max_unavailable", default.max_unavailable);
    let max_surge = count(call, "max_surge", default.max_surge);
    steps(call, Update { kind, max_unavailable, max_surge, ..default })
}

/// What all are told.
fn steps(call: &mut Call<'_, '_>, update: Update) -> Update {
    Update {
        healthy_for: call.field_or("healthy_for", update.healthy_for, |arg| arg.millis()),
        deadline: call.field_or("deadline", update.deadline, |arg| arg.millis()),
        rollback: call.field_or("rollback", update.rollback, |arg| arg.flag()),
        ..update
    }
}

fn wait(call: &mut Call<'_, '_>, default: Millis) -> Wait {
    let hold = call.field("hold", |arg| arg.millis());
    let confirm = call.field_or("confirm", false, |arg| arg.flag());
    if confirm && hold.is_some() {
        report_both(call, "hold", "it waits either for a time or for someone who confirms");
    }
    if confirm { Wait::Confirm } else { Wait::Hold(hold.unwrap_or(default)) }
}

/// Reports that two arguments are given of which one is to be.
fn report_both(call: &mut Call<'_, '_>, name: &'static str, message: &str) {
    let position = call.doc.parameters.iter().position(|parameter| parameter.name == name);
    let step = Step::Parameter { name, position: position.unwrap_or_default() };
    call.session.report(Report::new(call.spot(step), message).help("leave out one of the two".to_owned()));
    call.broken.push(name);
}
