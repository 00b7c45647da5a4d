use starlark::values::Value;

use super::{Function, Outcome};
use crate::call::Call;
use crate::docs::{FunctionDoc, first, optional};
use crate::report::Report;
use crate::site::Step;

pub(crate) static VAR: Function = Function {
    doc: FunctionDoc {
        name: "var",
        summary: "What was given on the command line as -D NAME=VALUE; read as a number or as True or False where the \
                  default is one.",
        parameters: &[
            first("name", "\"replicas\"", "The name."),
            optional("default", "6", "…", "What it is where nothing was given; without one, it must be given."),
        ],
        example: "replicas = var(\"replicas\", default = 6)",
    },
    call: var,
};

fn var<'v>(call: &mut Call<'_, 'v>) -> Outcome<'v> {
    let Some(name) = call.field("name", |arg| arg.text()) else { return Outcome::Unknown };
    let default = call.given("default");
    call.session.asked.borrow_mut().insert(name.clone());
    let spot = call.spot(Step::Parameter { name: "name", position: 0 });
    match (call.session.vars.get(&name), default) {
        (Some(text), default) => match parse(text, default) {
            Ok(outcome) => outcome,
            Err(wanted) => {
                let message = format!("-D {name}={text}: {text:?} is not {wanted}, as its default is");
                call.session.report(Report::new(spot, message).help(format!("give -D {name}={}", example(default))));
                Outcome::Unknown
            }
        },
        (None, Some(default)) => Outcome::Given(default),
        (None, None) => {
            let report = Report::new(spot, format!("the variable {name:?} is not given"));
            let help = format!("give -D {name}=…, or write var({name:?}, default = …)");
            call.session.report(report.label("it has no default").help(help));
            Outcome::Unknown
        }
    }
}

fn parse<'v>(text: &str, default: Option<Value<'v>>) -> Result<Outcome<'v>, &'static str> {
    match default.map(Value::get_type) {
        Some("int") => text.trim().parse().map(Outcome::Whole).map_err(|_| "a whole number"),
        Some("float") => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Outcome::Fraction(number)),
            _ => Err("a number"),
        },
        Some("bool") => match text.trim() {
            "true" | "True" => Ok(Outcome::Flag(true)),
            "false" | "False" => Ok(Outcome::Flag(false)),
            _ => Err("true or false"),
        },
        _ => Ok(Outcome::Text(text.to_owned())),
    }
}

/// A value of the kind that the default has: the default.
fn example(default: Option<Value<'_>>) -> String {
    default.map_or_else(|| "…".into(), |value| value.to_str())
}
