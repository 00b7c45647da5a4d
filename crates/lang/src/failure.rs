//! From an error of the interpreter to a [`Diagnostic`].

use starlark::ErrorKind;

use crate::Diagnostic;
use crate::diagnostic::Note;
use crate::report::called_from;
use crate::session::Session;
use crate::source::range;

const MAX_CALLERS: usize = 4;

/// What `error`, met in the file `path`, means for its author. Notes on the session if a limit was hit.
pub(crate) fn diagnose(session: &Session<'_>, error: &starlark::Error) -> Diagnostic {
    let text = error.without_diagnostic().to_string();
    let mut diagnostic = explain(session, error.kind(), text.trim());
    if let Some(span) = error.span() {
        diagnostic.place = session.source(span.filename()).map(|source| source.place(range(span.span)));
    }
    let frames = error.call_stack().frames.iter().rev();
    let callers = frames.filter_map(|frame| frame.location.as_ref()).filter(|location| Some(*location) != error.span());
    let callers: Vec<Note> = callers.take(MAX_CALLERS).map(|location| called_from(session, location)).collect();
    diagnostic.notes.extend(callers);
    diagnostic
}

fn explain(session: &Session<'_>, kind: &ErrorKind, text: &str) -> Diagnostic {
    if let Some(limit) = limit(session, kind, text) {
        session.exhausted.set(true);
        return limit;
    }
    match kind {
        ErrorKind::Fail(error) => Diagnostic::error(error.to_string().trim().to_owned()),
        ErrorKind::Parser(_) => syntax(text),
        _ => reword(text),
    }
}

fn limit(session: &Session<'_>, kind: &ErrorKind, text: &str) -> Option<Diagnostic> {
    if matches!(kind, ErrorKind::StackOverflow(_)) {
        let message = format!("function calls nest deeper than {}", session.limits.depth);
        return Some(Diagnostic::error(message).with_help("does a function call itself without end?"));
    }
    if text.contains("ticks has been exceeded") {
        let message = format!("the evaluation takes more than {} steps", session.limits.steps);
        return Some(Diagnostic::error(message).with_help("does a loop go on far longer than meant?"));
    }
    if text.contains("Heap memory limit") {
        return Some(out_of_memory(session.limits.memory));
    }
    None
}

/// The evaluation needs more memory than it may.
pub(crate) fn out_of_memory(limit: u64) -> Diagnostic {
    let message = format!("the evaluation needs more than {} MiB of memory", limit >> 20);
    Diagnostic::error(message).with_help("does a list or a text grow, or a loop go on, far beyond what was meant?")
}

/// The parser speaks of its grammar's tokens; people write brackets and commas.
fn syntax(text: &str) -> Diagnostic {
    let text = text.strip_prefix("Parse error: ").unwrap_or(text);
    let within_brackets =
        ["')'", "']'", "'}'"].iter().any(|bracket| text.ends_with(&format!("expected symbol {bracket}")));
    let help = if text.contains("reserved keyword") {
        Some("Starlark is a small Python: functions, if, for; but no import, class, while or try")
    } else if text.contains("expected symbol ':'") {
        Some("a line that starts with def, for, if or else ends with \":\"")
    } else if text.contains("new line") {
        Some("is something missing at the end of this line: a bracket, a quote, a value?")
    } else if within_brackets {
        Some("is a comma missing before it?")
    } else if text.contains("indentation block") {
        Some("what belongs to the line above starts further to the right than that line")
    } else if text.contains("string literal") {
        Some("is its closing quote missing? a text over several lines stands in three quotes")
    } else {
        None
    };
    Diagnostic { help: help.map(str::to_owned), ..Diagnostic::error(lower_first(text)) }
}

/// The interpreter's words in ours.
fn reword(text: &str) -> Diagnostic {
    let ticked: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    if let Some((_, function)) = text.split_once("for call to ") {
        let function = function.trim_matches('`').rsplit('.').next().unwrap_or(function);
        return Diagnostic::error(match ticked.first() {
            Some(name) if text.contains("extra named") => format!("{function}() has no argument {name:?}"),
            Some(name) if text.starts_with("Missing") => format!("{function}() needs {name:?}"),
            _ if text.contains("extra positional") => format!("{function}() is given more arguments than it takes"),
            _ => lower_first(text),
        });
    }
    if text.starts_with("Error unpacking value") {
        let wanted = text.rsplit("of type `").next().unwrap_or_default().trim_end_matches('`');
        return Diagnostic::error(match wanted {
            "int" => "an argument must be a whole number, at most 2147483647".to_owned(),
            other => format!("an argument must be of type {other}"),
        });
    }
    if text == "Immutable" {
        return Diagnostic::error("this can no longer be changed")
            .with_help("what a file loads stays as it is; make a copy: list(…), dict(…)");
    }
    if text.contains("referenced before assignment")
        && let Some(name) = ticked.first()
    {
        return Diagnostic::error(format!("{name:?} is used before it has a value"))
            .with_help("move the line that gives it a value further up");
    }
    // The interpreter puts its suggestion into the sentence.
    let (message, near) =
        text.split_once(", did you mean ").map_or((text, None), |(message, near)| (message, Some(near)));
    let help = if let Some(near) = near {
        Some(format!("did you mean {}", near.replace('`', "\"")))
    } else if message.contains("`+` not supported") && ticked.contains(&"string") {
        Some("make the other one text too: str(…)".into())
    } else {
        None
    };
    Diagnostic { help, ..Diagnostic::error(lower_first(message)) }
}

/// Our messages start in lower case.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
