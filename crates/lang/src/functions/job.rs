use icefield_spec::{Dependency, Job, Schedule};

use super::rule::rules;
use super::unit::unit;
use super::{Function, Outcome, rule, steering, unit};
use crate::arg::Arg;
use crate::call::Call;
use crate::declarations::Declared;
use crate::docs::{FunctionDoc, first, optional, optional_first};
use crate::report::Report;
use crate::site::Spot;
use crate::thing::Thing;

pub(crate) static JOB: Function = Function {
    doc: FunctionDoc {
        name: "job",
        summary: "Declares something that runs to its end: exit code 0 is success. Without a schedule it runs once for \
                  each change of what it is. What it gives back can stand in after; so can job(\"name\") alone, which \
                  means the job that is declared elsewhere.",
        parameters: &[
            first("name", "\"report\"", "Its name: a-z, 0-9 and '-'. No service has it too."),
            optional(
                "run",
                "exec([\"program\", \"argument\"])",
                "None",
                "What runs: exec(), nix() or container(). Without it, the call only refers to a job.",
            ),
            optional(
                "schedule",
                "cron(\"0 3 * * *\")",
                "None",
                "When it runs. A run that still goes lets the next one be skipped.",
            ),
            optional("retries", "3", "3", "How often a run that fails is tried again, from 0 to 100."),
            optional(
                "pause",
                "\"1s\"",
                "\"1s\"",
                "The pause before the first new attempt; each one after it is twice as long, up to five minutes.",
            ),
            optional(
                "deadline",
                "\"10m\"",
                "\"1h\"",
                "How long a run may take with all its attempts; then it is ended and has failed.",
            ),
            steering::AFTER,
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
            rule::KEEP_WITH,
            rule::KEEP_FROM,
            rule::TOLERATE,
            steering::PRIORITY,
            steering::NAMESPACE,
            unit::STOP_GRACE,
        ],
        example: "migrate = job(\"migrate\", run = exec([\"./migrate\", \"--all\"]), after = [\"db\"], deadline = \"10m\")\n\nservice(\"web\", run = exec([\"./web\"]), after = [\"db\", migrate])",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        if call.given("run").is_none_or(|run| run.is_none()) {
            if call.is_given_besides(&["name", "run"]) {
                let message = "job() needs \"run\"";
                let report = Report::new(Spot::callee(&call.site), message).label("\"run\" is missing");
                call.session.report(report.help("add run = exec([\"program\", \"argument\"])".to_owned()));
                return Outcome::Unknown;
            }
            return Outcome::made(name.map(|name| Thing::Dependency(Dependency::Job(name))));
        }
        let job = job(call);
        let made = name.clone().map(|name| Thing::Dependency(Dependency::Job(name)));
        call.session.declarations.borrow_mut().insert(call, name, Declared::Job(Box::new(job)));
        Outcome::made(made)
    },
};

pub(crate) static CRON: Function = Function {
    doc: FunctionDoc {
        name: "cron",
        summary: "The times at which a job runs, by the clock of a place. A time that this clock skips in spring comes right \
                  after the gap, one that it has twice in autumn comes once.",
        parameters: &[
            first(
                "pattern",
                "\"30 3 * * mon-fri\"",
                "Minute, hour, day of the month, month and day of the week: numbers, names, ranges, lists and steps. \
                 Where both days are given, one of them is enough.",
            ),
            optional_first("timezone", "\"Europe/Berlin\"", "\"UTC\"", "The time zone, by its IANA name."),
        ],
        example: "schedule = cron(\"0 3 * * *\", timezone = \"Europe/Berlin\")",
    },
    call: |call| {
        let cron = call.field("pattern", |arg| arg.text());
        let timezone = call.field_or("timezone", Schedule::utc(), |arg| arg.text());
        let cron = cron.filter(|_| call.broken.is_empty());
        Outcome::made(cron.map(|cron| Thing::Schedule(Schedule { cron, timezone })))
    },
};

fn job(call: &mut Call<'_, '_>) -> Job {
    let unit = unit(call);
    Job {
        namespace: steering::namespace(call),
        priority: steering::priority(call),
        rules: rules(call),
        schedule: call.field("schedule", schedule),
        retries: call.field_or("retries", Job::default_retries(), |arg| arg.whole(0, Job::MAX_RETRIES.into())),
        pause: call.field_or("pause", Job::default_pause(), |arg| arg.millis()),
        deadline: call.field_or("deadline", Job::default_deadline(), |arg| arg.millis()),
        after: steering::after(call),
        ..Job::new(unit)
    }
}

fn schedule(arg: &Arg<'_, '_>) -> Option<Schedule> {
    if let Some(pattern) = arg.value().unpack_str() {
        return arg.refuse("\"schedule\" must say how: cron()", format!("write cron({pattern:?})"));
    }
    arg.thing("made by cron()", |thing| match thing {
        Thing::Schedule(schedule) => Some(schedule),
        _ => None,
    })
}
