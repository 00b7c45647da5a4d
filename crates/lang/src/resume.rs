use std::collections::BTreeSet;

use starlark::environment::Module;
use starlark::syntax::AstModule;

use crate::module::top_level;
use crate::names::assigned;
use crate::source::{Source, dialect};
use crate::value::Unknown;

/// What of the file is still to run after the statement that `error` ended; the names it would have given a value to are
/// stood in for.
pub(crate) fn rest_after(
    source: &Source,
    tree: &AstModule,
    error: &starlark::Error,
    module: &Module<'_>,
) -> Option<AstModule> {
    let frames = error.call_stack().frames.iter().filter_map(|frame| frame.location.as_ref());
    let mut here = frames.chain(error.span()).filter(|location| location.filename() == source.path);
    let failed_at = here.next()?.span.begin();
    let mut failed = None;
    top_level(tree.statement(), &mut |stmt| {
        if (stmt.span.begin()..stmt.span.end()).contains(&failed_at) {
            failed = Some(stmt);
        }
    });
    let failed = failed?;
    let mut names = BTreeSet::new();
    assigned(failed, &mut names);
    for name in names {
        if module.get(name).is_none() {
            module.set(name, Unknown::alloc(module.heap()));
        }
    }
    // Blank rather than cut, so that positions stay what they are.
    let end = failed.span.end().get() as usize;
    let (done, rest) = source.text.split_at_checked(end)?;
    let mut text = String::with_capacity(source.text.len());
    for character in done.chars() {
        match character {
            '\n' => text.push('\n'),
            other => text.extend(std::iter::repeat_n(' ', other.len_utf8())),
        }
    }
    text.push_str(rest);
    AstModule::parse(&source.path, text, &dialect()).ok()
}
