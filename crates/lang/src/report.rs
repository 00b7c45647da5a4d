use std::collections::HashMap;
use std::rc::Rc;

use starlark::codemap::FileSpan;

use crate::clue::Clue;
use crate::diagnostic::{Level, Note};
use crate::session::Session;
use crate::site::{Site, Spot, Step};
use crate::source::range;
use crate::{Diagnostic, Place};

/// A diagnostic whose place is not looked up yet.
pub(crate) struct Report {
    pub(crate) spot: Spot,
    pub(crate) message: String,
    pub(crate) label: Option<String>,
    pub(crate) help: Option<String>,
    /// Something that belongs to it, with its place.
    pub(crate) related: Option<(String, Spot)>,
    /// What is to be underlined if it is found within the spot, or within one of the calls that made what stands there.
    pub(crate) clue: Option<(Clue, Vec<Rc<Site>>)>,
}

impl Report {
    pub(crate) fn new(spot: Spot, message: impl Into<String>) -> Self {
        Self { spot, message: message.into(), label: None, help: None, related: None, clue: None }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// Looks up where it stands.
    fn into_diagnostic(self, session: &Session<'_>) -> Diagnostic {
        let mut notes: Vec<Note> = Vec::new();
        if let Some((message, spot)) = &self.related {
            notes.push(Note { message: message.clone(), place: place(session, spot) });
        }
        let site = &self.spot.site;
        for caller in site.callers.iter().take(MAX_CALLERS) {
            notes.push(called_from(session, caller));
        }
        let (label, help) = (self.label.clone(), self.help.clone());
        let place = self.clue_place(session).or_else(|| place(session, &self.spot));
        Diagnostic { level: Level::Error, message: self.message, place, label, help, notes }
    }

    fn clue_place(&self, session: &Session<'_>) -> Option<Place> {
        let (clue, made) = self.clue.as_ref()?;
        let site = &self.spot.site;
        let source = session.source(site.call.filename())?;
        if let Some(found) = source.find_clue(site.call.span, &self.spot.steps, clue) {
            return Some(source.place(found));
        }
        let within_made = made.iter().find_map(|made| {
            let source = session.source(made.call.filename())?;
            source.find_clue(made.call.span, &[], clue).map(|found| source.place(found))
        });
        // A reference is so much of a word of its own that it may stand in a variable's value, further up.
        let telling = !matches!(clue, Clue::Word(_));
        within_made.or_else(|| source.find_only(clue).filter(|_| telling).map(|found| source.place(found)))
    }
}

const MAX_CALLERS: usize = 4;

/// The note for one of the calls that led to a mistake.
pub(crate) fn called_from(session: &Session<'_>, caller: &FileSpan) -> Note {
    let place = session.source(caller.filename()).map(|source| source.place(range(caller.span)));
    Note { message: "called from here".into(), place }
}

fn place(session: &Session<'_>, spot: &Spot) -> Option<Place> {
    let call = &spot.site.call;
    let source = session.source(call.filename())?;
    Some(source.place(source.locate(call.span, &spot.steps)))
}

/// The reports of one evaluation. A mistake in a loop is made many times: the same is kept once, and of those at one spot
/// only a few.
#[derive(Default)]
pub(crate) struct Reports {
    kept: Vec<Report>,
    at: HashMap<Spotted, Heap>,
    dropped: usize,
}

/// A spot whoever called the function it is in.
type Spotted = (FileSpan, Vec<Step>);

#[derive(Default)]
struct Heap {
    kept: Vec<usize>,
    more: usize,
}

impl Reports {
    const MAX_AT_ONE_SPOT: usize = 3;
    const MAX: usize = 100;

    pub(crate) fn push(&mut self, report: Report) {
        let key = (report.spot.site.call.clone(), report.spot.steps.clone());
        let heap = self.at.entry(key).or_default();
        if heap.kept.iter().any(|&at| self.kept[at].message == report.message) {
            return;
        }
        if heap.kept.len() >= Self::MAX_AT_ONE_SPOT {
            heap.more += 1;
        } else if self.kept.len() >= Self::MAX {
            self.dropped += 1;
        } else {
            heap.kept.push(self.kept.len());
            self.kept.push(report);
        }
    }

    /// The diagnostics, and how many more there would be.
    pub(crate) fn finish(self, session: &Session<'_>) -> (Vec<Diagnostic>, usize) {
        let more: HashMap<usize, usize> = self
            .at
            .values()
            .filter(|heap| heap.more > 0)
            .filter_map(|heap| Some((*heap.kept.last()?, heap.more)))
            .collect();
        let diagnostics = self.kept.into_iter().enumerate().map(|(at, report)| {
            let mut diagnostic = report.into_diagnostic(session);
            if let Some(count) = more.get(&at) {
                diagnostic.notes.insert(0, Note { message: format!("and {count} more like it here"), place: None });
            }
            diagnostic
        });
        (diagnostics.collect(), self.dropped)
    }
}
