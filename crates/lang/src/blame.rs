//! From what is wrong with the spec to the text that says so.

use std::rc::Rc;

use icefield_spec::Problem;

use crate::clue::Clue;
use crate::declarations::{Declarations, Kind, Origin};
use crate::functions::FUNCTIONS;
use crate::report::Report;
use crate::site::{Spot, Step};

/// The report for `problem`; `None` if it only follows from a mistake that is reported already.
pub(crate) fn blame(declarations: &Declarations, problem: &Problem) -> Option<Result<Report, Problem>> {
    let Some(Culprit { kind, origin, field, key }) = culprit(declarations, &problem.path) else {
        return Some(Err(problem.clone()));
    };
    if follows(declarations, kind, origin, field) {
        return None;
    }
    let mut steps = Vec::new();
    steps.extend(parameter(kind, field));
    if let Some(key) = key {
        steps.push(key_or_value(field, key, problem));
    }
    let made = origin.made.iter().filter(|(of, _)| *of == field).map(|(_, site)| Rc::clone(site));
    // The spec's word for it differs from the language's.
    let message = match problem.message.strip_prefix("interval ") {
        Some(rest) => format!("every = {rest}"),
        None => problem.message.clone(),
    };
    let mut report = Report::new(Spot { site: Rc::clone(&origin.site), steps }, message);
    report.help = help(problem).or_else(|| problem.help.clone());
    report.related = problem.other.as_ref().and_then(|path| {
        let Culprit { kind, origin, field, key } = culprit(declarations, path)?;
        let key = key.map(|key| Step::Value(key.to_owned()));
        let steps = parameter(kind, field).into_iter().chain(key).collect();
        Some(("the other is here".into(), Spot { site: Rc::clone(&origin.site), steps }))
    });
    report.clue = clue(&report.message).map(|clue| (clue, made.collect()));
    Some(Ok(report))
}

/// The call that a path of the spec comes from, and the argument that it means.
struct Culprit<'a> {
    /// What the call declares; `None` for the policy, of which there is one.
    kind: Option<Kind>,
    origin: &'a Origin,
    field: &'a str,
    key: Option<&'a str>,
}

fn culprit<'a>(declarations: &'a Declarations, path: &'a str) -> Option<Culprit<'a>> {
    let (head, rest) = path.split_once('.')?;
    let (kind, origin, rest) = if head == "policy" {
        (None, declarations.policy.as_ref()?, rest)
    } else {
        let kind = Kind::from_field(head)?;
        let (name, rest) = rest.split_once('.').unwrap_or((rest, "name"));
        (Some(kind), declarations.origin(kind, name)?, rest)
    };
    // One argument gives both.
    let rest = rest.strip_prefix("secret_").unwrap_or(rest);
    match rest.split_once('.') {
        Some((field, key)) => Some(Culprit { kind, origin, field, key: Some(key) }),
        None => Some(Culprit { kind, origin, field: rest, key: None }),
    }
}

/// Whether the problem can be nothing but the consequence of something that is no good and reported.
fn follows(declarations: &Declarations, kind: Option<Kind>, origin: &Origin, field: &str) -> bool {
    let broken = |fields: &[&str]| fields.iter().any(|field| origin.broken.contains(field));
    let of_machines =
        |field| declarations.any_broken(Kind::Nodes, field) || declarations.any_broken(Kind::Pools, field);
    let is_service = matches!(kind, Some(Kind::Services | Kind::Jobs));
    let company = matches!(field, "keep_with" | "keep_from");
    let label = company || matches!(field, "require" | "prefer" | "spread");
    let resource = kind.is_none()
        || matches!(kind, Some(Kind::Namespaces | Kind::Services | Kind::Jobs))
            && matches!(field, "resources" | "volumes");
    let refers = label || resource || matches!(field, "uses" | "after" | "base" | "tolerate" | "namespace");
    let consequence = match field {
        "run" | "env" | "health" => is_service && broken(&["ports", "env", "files"]),
        "files" => broken(&["ports", "volumes", "env"]) || declarations.any_broken(Kind::Services, "ports"),
        "spread" => broken(&["replicas", "daemon"]),
        "reserve" => broken(&["cpu", "memory", "resources"]),
        "uses" | "keep_with" | "keep_from" => declarations.any_broken(Kind::Services, "name"),
        "after" => [Kind::Services, Kind::Jobs].into_iter().any(|kind| declarations.any_broken(kind, "name")),
        "base" => declarations.any_broken(Kind::Bases, "name"),
        "tolerate" => of_machines("taints"),
        "namespace" => {
            declarations.any_broken(Kind::Namespaces, "name") || broken(&["cpu", "memory", "resources", "volumes"])
        }
        _ => false,
    };
    broken(&[field])
        || refers && declarations.incomplete
        || consequence
        || label && of_machines("labels")
        || resource && of_machines("resources")
}

fn parameter(kind: Option<Kind>, field: &str) -> Option<Step> {
    let function = kind.map_or("placement", Kind::word);
    let doc = &FUNCTIONS.iter().find(|other| other.doc.name == function)?.doc;
    let position = doc.parameters.iter().position(|parameter| parameter.name == field)?;
    Some(Step::Parameter { name: doc.parameters[position].name, position })
}

/// In a list, a path counts. In `env`, it names a variable: its name may be at fault, or the text that it is given.
fn key_or_value(field: &str, key: &str, problem: &Problem) -> Step {
    if matches!(field, "spread" | "balance")
        && let Ok(at) = key.parse()
    {
        return Step::Item(at);
    }
    let about_key = problem.message.contains("is not the name of") || problem.message.contains("is given by");
    if field == "env" && about_key { Step::Key(key.to_owned()) } else { Step::Value(key.to_owned()) }
}

/// What a problem's message tells of the text: what is quoted, a `$NAME`, or a parameter's name at its start.
fn clue(message: &str) -> Option<Clue> {
    if message.starts_with("a lone \"$\"") || message.starts_with("\"${\" without") {
        return Some(Clue::Malformed);
    }
    if let Some(name) = message.strip_prefix("unknown variable $") {
        return Some(Clue::Reference(name.to_owned()));
    }
    if let Some(quoted) = quoted(message) {
        return Some(Clue::Word(quoted.to_owned()));
    }
    let first = message.split_whitespace().next()?;
    let mut known = FUNCTIONS.iter().flat_map(|function| function.doc.parameters);
    known.any(|parameter| parameter.name == first).then(|| Clue::Word(first.to_owned()))
}

fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('"')?;
    let (quoted, _) = rest.split_once('"')?;
    Some(quoted).filter(|quoted| !quoted.is_empty())
}

/// What to do, in the language's own words, where the spec has nothing better.
fn help(problem: &Problem) -> Option<String> {
    let near = problem.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
    let message = problem.message.as_str();
    let port = message.strip_prefix("the service has no port ").and_then(quoted).map(str::to_owned);
    let variable = message.strip_prefix("unknown variable $PORT_");
    let port = port.or_else(|| variable.map(|name| name.to_ascii_lowercase().replace('_', "-")));
    port.filter(|_| !near).map(|port| format!("declare the port: ports = {{{port:?}: dynamic()}}"))
}
