use std::collections::BTreeMap;

use icefield_spec::{Bytes, Cpu, Dependency, Job, Run, Schedule, Service, Unit};

use super::resource::resources;
use super::rule::rules;
use super::secret::{Env, env};
use super::service::run;
use super::{Function, Outcome};
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
            first("name", "\"migrate\"", "Its name: a-z, 0-9 and '-'. No service has it too."),
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
            optional("after", "[\"db\"]", "[]", "Services and jobs that must be done before a run starts."),
            optional("cpu", "\"500m\"", "\"100m\"", "CPU reserved for a run: cores, or thousandths (\"500m\")."),
            optional("memory", "\"256MiB\"", "\"64MiB\"", "Memory reserved for a run; also its limit."),
            optional("resources", "{\"gpu\": 1}", "{}", "What a run needs of other resources that nodes declare."),
            optional("env", "{\"KEY\": \"value\"}", "{}", "Environment variables."),
            optional("uses", "[\"db\"]", "[]", "Services whose endpoints it is told."),
            optional("require", "{\"disk\": \"ssd\"}", "{}", "Hard: labels that the node must have, as of service()."),
            optional("prefer", "[prefer(\"zone\", \"a\")]", "[]", "Soft: labels that make a node better."),
            optional("keep_with", "[\"db\"]", "[]", "Hard: a replica of each of these services is on the same node."),
            optional("keep_from", "[\"batch\"]", "[]", "Hard: no replica of these services is on the same node."),
            optional("tolerate", "[\"gpu\"]", "[]", "Taints of nodes that do not keep it away."),
            optional(
                "priority",
                "10",
                "0",
                "Where there is no room for all, what has lower priority gives way; from -1000 to 1000.",
            ),
            optional("namespace", "\"team-a\"", "None", "The namespace that it belongs to, declared by namespace()."),
            optional(
                "stop_grace",
                "\"10s\"",
                "\"10s\"",
                "How long a run may take to end after SIGTERM, once its deadline is over.",
            ),
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
    // Something harmless stands for what is no good, so that the rest can be checked.
    let nothing = Run::Exec { command: vec!["true".into()] };
    let run = call.field_or("run", nothing, run);
    let cpu = call.field_or("cpu", Cpu::from_millis(100), |arg| arg.cpu());
    let memory = call.field_or("memory", Bytes::new(64 << 20), |arg| arg.bytes());
    let (texts, secret_env) = call.field_or("env", Env::default(), env);
    let unit = Unit {
        resources: call.field_or("resources", BTreeMap::new(), resources),
        env: texts,
        secret_env,
        uses: call.field_or("uses", Vec::new(), |arg| arg.items(|item| item.name())),
        stop_grace: call.field_or("stop_grace", Unit::default_stop_grace(), |arg| arg.millis()),
        ..Unit::new(run, cpu, memory)
    };
    let (least, most) = Service::PRIORITIES.into_inner();
    Job {
        namespace: call.field("namespace", |arg| arg.name()),
        priority: call.field_or("priority", 0, |arg| arg.whole(least.into(), most.into())),
        rules: rules(call),
        schedule: call.field("schedule", schedule),
        retries: call.field_or("retries", Job::default_retries(), |arg| arg.whole(0, Job::MAX_RETRIES.into())),
        pause: call.field_or("pause", Job::default_pause(), |arg| arg.millis()),
        deadline: call.field_or("deadline", Job::default_deadline(), |arg| arg.millis()),
        after: call.field_or("after", Vec::new(), |arg| arg.items(dependency)),
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

/// An item of `after =`: the name of a service, or a job.
pub(super) fn dependency(arg: &Arg<'_, '_>) -> Option<Dependency> {
    if let Some(text) = arg.value().unpack_str() {
        let name = text.strip_prefix("job:");
        return match name {
            Some(name) => arg.as_name(name).map(Dependency::Job),
            None => arg.name().map(Dependency::Service),
        };
    }
    arg.thing("the name of a service, or job(\"name\")", |thing| match thing {
        Thing::Dependency(dependency) => Some(dependency),
        _ => None,
    })
}
