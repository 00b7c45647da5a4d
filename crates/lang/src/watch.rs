//! Where a file is busy when it hits a limit. The interpreter does not say, and watching every statement would slow each
//! evaluation down; so a file that hits a limit is run again, watched, with a fraction of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use starlark::codemap::{FileSpan, FileSpanRef};
use starlark::eval::{BeforeStmtFuncDyn, Evaluator};

use crate::module::Files;
use crate::session::Session;
use crate::source::range;
use crate::{Limits, Loader, Place};

/// The statement that runs.
#[derive(Default)]
pub(crate) struct Watch {
    last: RefCell<Option<FileSpan>>,
}

/// Keeps a [`Watch`] up to date.
pub(crate) struct Watcher(pub(crate) Rc<Watch>);

impl<'e> BeforeStmtFuncDyn<'e> for Watcher {
    fn call<'v>(
        &mut self,
        span: FileSpanRef<'_>,
        _continued: bool,
        _eval: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        let mut last = self.0.last.borrow_mut();
        match last.as_mut() {
            Some(last) if last.file.id() == span.file.id() => last.span = span.span,
            _ => *last = Some(span.to_file_span()),
        }
        Ok(())
    }
}

/// Where the evaluation of `root` is when it has used a part of what `limits` allow.
pub(crate) fn busy_place(
    root: &str,
    loader: &dyn Loader,
    vars: &BTreeMap<String, String>,
    limits: &Limits,
) -> Option<Place> {
    let fraction = Limits { steps: limits.steps / 20, memory: limits.memory / 8, ..*limits };
    let watch = Rc::new(Watch::default());
    let mut session = Session::new(loader, vars, &fraction);
    session.watch = Some(Rc::clone(&watch));
    Files::new(&session).module(root, None);
    let last = watch.last.take().filter(|_| session.exhausted.get())?;
    Some(session.source(last.filename())?.place(range(last.span)))
}
