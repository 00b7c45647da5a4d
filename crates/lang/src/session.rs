use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use starlark::PrintHandler;

use crate::declarations::Declarations;
use crate::report::{Report, Reports};
use crate::site::Site;
use crate::source::Source;
use crate::thing::Thing;
use crate::watch::Watch;
use crate::{Diagnostic, Limits, Loader};

/// What one evaluation is given, and what it collects over all its files.
pub(crate) struct Session<'a> {
    pub(crate) loader: &'a dyn Loader,
    pub(crate) vars: &'a BTreeMap<String, String>,
    pub(crate) limits: &'a Limits,
    pub(crate) sources: RefCell<BTreeMap<String, Rc<Source>>>,
    /// Every file that was asked for, whether it could be read or not, in that order.
    pub(crate) files: RefCell<Vec<String>>,
    pub(crate) reports: RefCell<Reports>,
    /// Diagnostics that know their place already.
    pub(crate) diagnostics: RefCell<Vec<Diagnostic>>,
    pub(crate) declarations: RefCell<Declarations>,
    pub(crate) notes: RefCell<Vec<String>>,
    /// The variables that a file asked for.
    pub(crate) asked: RefCell<BTreeSet<String>>,
    /// Steps taken so far.
    pub(crate) steps: Cell<u64>,
    /// Whether a limit was hit, so that nothing more may run.
    pub(crate) exhausted: Cell<bool>,
    /// Told of every statement, if anything.
    pub(crate) watch: Option<Rc<Watch>>,
    things: RefCell<Vec<(Thing, Rc<Site>)>>,
}

impl<'a> Session<'a> {
    const MAX_NOTES: usize = 1_000;

    pub(crate) fn new(loader: &'a dyn Loader, vars: &'a BTreeMap<String, String>, limits: &'a Limits) -> Self {
        Self {
            loader,
            vars,
            limits,
            sources: RefCell::default(),
            files: RefCell::default(),
            reports: RefCell::default(),
            diagnostics: RefCell::default(),
            declarations: RefCell::default(),
            notes: RefCell::default(),
            asked: RefCell::default(),
            steps: Cell::new(0),
            exhausted: Cell::new(false),
            watch: None,
            things: RefCell::default(),
        }
    }

    pub(crate) fn report(&self, report: Report) {
        self.reports.borrow_mut().push(report);
    }

    pub(crate) fn diagnose(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    pub(crate) fn source(&self, path: &str) -> Option<Rc<Source>> {
        self.sources.borrow().get(path).cloned()
    }

    pub(crate) fn note_file(&self, path: &str) {
        let mut files = self.files.borrow_mut();
        if !files.iter().any(|file| file == path) {
            files.push(path.to_owned());
        }
    }

    /// Keeps a thing for the call that is given it; what the language passes around is its number.
    pub(crate) fn keep(&self, thing: Thing, site: Rc<Site>) -> usize {
        let mut things = self.things.borrow_mut();
        things.push((thing, site));
        things.len() - 1
    }

    pub(crate) fn thing(&self, number: usize) -> Option<(Thing, Rc<Site>)> {
        self.things.borrow().get(number).cloned()
    }
}

impl PrintHandler for Session<'_> {
    fn println(&self, text: &str) -> starlark::Result<()> {
        let mut notes = self.notes.borrow_mut();
        if notes.len() < Self::MAX_NOTES {
            notes.push(text.to_owned());
        }
        Ok(())
    }
}
