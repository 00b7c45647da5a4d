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
        _ => {
            let (message, help) = split_suggestion(text);
            Diagnostic { help: help.or_else(|| help_for(&message)), ..Diagnostic::error(message) }
        }
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
    Diagnostic::error(message).with_help("does a list or a text grow far beyond what was meant?")
}

/// The parser speaks of its grammar's tokens; people write brackets and commas.
fn syntax(text: &str) -> Diagnostic {
    let text = text.strip_prefix("Parse error: ").unwrap_or(text);
    let help = if text.contains("reserved keyword") {
        Some("Starlark is a small Python: functions, if, for; but no import, class, while or try")
    } else if text.contains("end of file") || text.contains("end of input") {
        Some("is a bracket or a quote left open further up?")
    } else if text.contains("new line") || text.contains("newline") {
        Some("is something missing at the end of this line: a bracket, a quote, a value?")
    } else if text.contains("indent") {
        Some("lines of one block start at the same column")
    } else {
        None
    };
    let mut message = text.to_owned();
    if let Some(first) = message.get(..1) {
        message = first.to_lowercase() + &text[1..];
    }
    Diagnostic { help: help.map(str::to_owned), ..Diagnostic::error(message) }
}

/// The interpreter puts its suggestion into the sentence.
fn split_suggestion(text: &str) -> (String, Option<String>) {
    match text.split_once(", did you mean ") {
        Some((message, near)) => (message.to_owned(), Some(format!("did you mean {}", near.replace('`', "\"")))),
        None => (text.to_owned(), None),
    }
}

fn help_for(message: &str) -> Option<String> {
    let mixes_text = message.contains("`+` not supported") && message.contains("`string`");
    let help = if mixes_text {
        "make the other one text too: str(…)"
    } else if message.contains("referenced before assignment") {
        "move the line that gives it a value further up"
    } else if message.contains("Immutable") || message.contains("frozen") {
        "what a file loads cannot be changed; make a copy: list(…) or dict(…)"
    } else {
        return None;
    };
    Some(help.into())
}
