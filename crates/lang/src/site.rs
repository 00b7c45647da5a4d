use std::rc::Rc;

use starlark::codemap::FileSpan;
use starlark::eval::Evaluator;

/// Where a function of the language was called.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    /// The call itself.
    pub(crate) call: FileSpan,
    /// The calls that led there, the nearest first.
    pub(crate) callers: Vec<FileSpan>,
}

impl Site {
    /// The call that `eval` is in; `None` only if nothing of a file led there.
    pub(crate) fn current(eval: &Evaluator<'_, '_, '_>) -> Option<Rc<Self>> {
        let frames = eval.call_stack().into_frames();
        let mut spans = frames.into_iter().rev().filter_map(|frame| frame.location);
        let call = spans.next()?;
        Some(Rc::new(Self { call, callers: spans.collect() }))
    }
}

/// A part of a call: the way from the call to the text that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub(crate) site: Rc<Site>,
    pub(crate) steps: Vec<Step>,
}

/// One step of a [`Spot`]. Without any, the name of the called function is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The value given for a parameter, by name or at a position.
    Parameter { name: &'static str, position: usize },
    /// The name of an argument, whatever the function knows.
    Named(String),
    /// The argument at a position.
    Positional(usize),
    /// An item of a list.
    Item(usize),
    /// A key of a dictionary.
    Key(String),
    /// The key of an entry of a dictionary, by its place.
    Entry(usize),
    /// The value of a key of a dictionary.
    Value(String),
}

impl Spot {
    pub(crate) fn callee(site: &Rc<Site>) -> Self {
        Self { site: Rc::clone(site), steps: Vec::new() }
    }

    pub(crate) fn at(site: &Rc<Site>, step: Step) -> Self {
        Self { site: Rc::clone(site), steps: vec![step] }
    }
}
