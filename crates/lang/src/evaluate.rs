use std::collections::BTreeMap;

use icefield_spec::{Spec, nearest};
use serde::{Deserialize, Serialize};

use crate::blame::blame;
use crate::module::Files;
use crate::session::Session;
use crate::watch::busy_place;
use crate::{Diagnostic, Level, Limits, Loader};

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The spec, if there is no error.
    pub spec: Option<Spec>,
    /// All that there is to tell the author: by file in the order they were read, then by line.
    pub diagnostics: Vec<Diagnostic>,
    /// What the files printed.
    pub notes: Vec<String>,
    /// Every file that was asked for, found or not: when one of them changes, the evaluation is out of date.
    pub files: Vec<String>,
}

impl Evaluation {
    /// An evaluation that came to nothing but `diagnostic`.
    pub(crate) fn failed(root: &str, diagnostic: Diagnostic) -> Self {
        Self { spec: None, diagnostics: vec![diagnostic], notes: Vec::new(), files: vec![root.to_owned()] }
    }
}

/// Evaluates the file `root` and what it loads, with the values that `vars` holds for `var()`.
///
/// It is pure but for `loader`, and gives the same for the same texts. A hostile file can make it use more than `limits`
/// allow for a moment, or overflow the stack; where files are not trusted, use [`crate::evaluate_isolated`].
pub fn evaluate(root: &str, loader: &dyn Loader, vars: &BTreeMap<String, String>, limits: &Limits) -> Evaluation {
    let session = Session::new(loader, vars, limits);
    let ran = Files::new(&session).module(root, None).is_some();
    // Of a file that broke off somewhere it cannot be said what is missing.
    let whole = ran && !session.exhausted.get();
    if whole {
        validate(&session, root);
    }
    let (mut diagnostics, dropped) = session.reports.take().finish(&session);
    diagnostics.extend(session.diagnostics.take());
    if whole {
        diagnostics.extend(unread_vars(&session));
    }
    if session.exhausted.get()
        && let Some(limit) = diagnostics.iter_mut().find(|diagnostic| diagnostic.place.is_none())
        && let Some(place) = busy_place(root, loader, vars, limits)
    {
        (limit.place, limit.label) = (Some(place), Some("it was still busy here".to_owned()));
    }
    diagnostics.iter_mut().for_each(Diagnostic::tidy);
    let files = session.files.take();
    let rank = |file: &str| files.iter().position(|other| other == file);
    diagnostics.sort_by_cached_key(|diagnostic| match &diagnostic.place {
        Some(place) => (0, rank(&place.file), place.line, place.column),
        None => (1, None, 0, 0),
    });
    if dropped > 0 {
        diagnostics.push(Diagnostic::error(format!("and {dropped} more errors")));
    }
    let spec = session.declarations.take().spec;
    let good = whole && !diagnostics.iter().any(Diagnostic::is_error);
    Evaluation { spec: good.then_some(spec), diagnostics, notes: session.notes.take(), files }
}

/// Reports what is wrong with the spec as a whole.
fn validate(session: &Session<'_>, root: &str) {
    session.declarations.borrow_mut().incomplete = !session.diagnostics.borrow().is_empty();
    let declarations = session.declarations.borrow();
    if declarations.cluster.is_none() && !declarations.incomplete {
        let message = format!("{root} does not name the cluster");
        session.diagnose(Diagnostic::error(message).with_help("start the file with a line like: cluster(\"shop\")"));
    }
    for problem in declarations.spec.validate() {
        match blame(&declarations, &problem) {
            Some(Ok(report)) => session.report(report),
            Some(Err(problem)) => {
                let diagnostic = Diagnostic::error(problem.message);
                session.diagnose(Diagnostic { help: problem.help, ..diagnostic });
            }
            None => {}
        }
    }
}

/// Variables that were given but that no file reads: likely misspelt.
fn unread_vars(session: &Session<'_>) -> Vec<Diagnostic> {
    let asked = session.asked.borrow();
    let unread = session.vars.iter().filter(|(name, _)| !asked.contains(*name));
    let diagnostics = unread.map(|(name, value)| {
        let help = match nearest(name, asked.iter().map(String::as_str)) {
            Some(near) => format!("did you mean -D {near}={value}?"),
            None if asked.is_empty() => format!("read it in a file: var({name:?})"),
            None => format!("they read {}", asked.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        let diagnostic = Diagnostic::error(format!("-D {name}={value} is read by no file")).with_help(help);
        Diagnostic { level: Level::Warning, ..diagnostic }
    });
    diagnostics.collect()
}
