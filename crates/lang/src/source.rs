use std::cell::OnceCell;
use std::ops::Range;

use starlark::codemap::Span;
use starlark::syntax::ast::{ArgumentP, AstArgument, AstExpr, AstLiteral, AstStmt, ExprP};
use starlark::syntax::{AstModule, Dialect};
use starlark_syntax::syntax::uniplate::Visit;

use crate::clue::Clue;
use crate::site::Step;
use crate::written::Written;
use crate::{Diagnostic, Place};

/// The text of one file, and where in it things stand.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    syntax: OnceCell<Option<AstModule>>,
}

/// The dialect of all files.
pub(crate) fn dialect() -> Dialect {
    Dialect {
        enable_keyword_only_arguments: true,
        enable_positional_only_arguments: true,
        enable_load_reexport: false,
        enable_top_level_stmt: true,
        enable_f_strings: true,
        ..Dialect::Standard
    }
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        Self { path, text, syntax: OnceCell::new() }
    }

    pub(crate) fn place(&self, range: Range<usize>) -> Place {
        Place::new(&self.path, &self.text, range.start, range.end)
    }

    /// An error at `range`.
    pub(crate) fn error(&self, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { place: Some(self.place(range)), ..Diagnostic::error(message) }
    }

    /// The text that `steps` lead to from the call at `call`, or as much of the way as is written out there: where an
    /// argument is a variable, the variable.
    pub(crate) fn locate(&self, call: Span, steps: &[Step]) -> Range<usize> {
        let Some(written) = self.call(call) else { return range(call) };
        let Some((first, rest)) = steps.split_first() else { return range(written.callee.span) };
        match argument(&written, first) {
            Some(Ok(expr)) => range(descend(expr, rest).span),
            Some(Err(span)) => range(span),
            None => range(written.callee.span),
        }
    }

    /// Within what `steps` lead to from the call at `call`: what `clue` means.
    pub(crate) fn find_clue(&self, call: Span, steps: &[Step], clue: &Clue) -> Option<Range<usize>> {
        let written = self.call(call)?;
        match steps.split_first() {
            Some((first, rest)) => clue.find(&[descend(argument(&written, first)?.ok()?, rest)]),
            None => clue.argument_of(&written).or_else(|| {
                let all: Vec<&AstExpr> = written.arguments.iter().map(|argument| argument.expr()).collect();
                clue.find(&all)
            }),
        }
        .map(range)
    }

    /// The only place of the whole file that `clue` means.
    pub(crate) fn find_only(&self, clue: &Clue) -> Option<Range<usize>> {
        let mut found = Vec::new();
        self.syntax()?.statement().visit_expr(|expr| found.extend(clue.find(&[expr])));
        match found.as_slice() {
            [only] => Some(range(*only)),
            _ => None,
        }
    }

    fn syntax(&self) -> Option<&AstModule> {
        let parse = || AstModule::parse(&self.path, self.text.clone(), &dialect()).ok();
        self.syntax.get_or_init(parse).as_ref()
    }

    fn call(&self, span: Span) -> Option<Written<'_>> {
        find_call(self.syntax()?.statement(), span)
    }
}

pub(crate) fn range(span: Span) -> Range<usize> {
    span.begin().get() as usize..span.end().get() as usize
}

fn encloses(outer: Span, inner: Span) -> bool {
    outer.begin() <= inner.begin() && inner.end() <= outer.end()
}

/// The call that spans exactly `span`, or the innermost one around it.
fn find_call(root: &AstStmt, span: Span) -> Option<Written<'_>> {
    let mut best = None;
    let mut next = Some(Visit::Stmt(root));
    while let Some(here) = next.take() {
        if let Visit::Expr(expr) = &here
            && let ExprP::Call(callee, arguments) = &expr.node
        {
            best = Some(Written { callee: callee.as_ref(), arguments: &arguments.args });
        }
        here.visit_children(|child| {
            let child_span = match &child {
                Visit::Stmt(stmt) => stmt.span,
                Visit::Expr(expr) => expr.span,
            };
            if encloses(child_span, span) {
                next = Some(child);
            }
        });
    }
    best
}

/// The argument that `step` means: its value, or (where only a name is meant, or a `**` stands for it) a span.
fn argument<'a>(written: &Written<'a>, step: &Step) -> Option<Result<&'a AstExpr, Span>> {
    let positional = |at: usize| {
        let plain = |argument: &&AstArgument| matches!(argument.node, ArgumentP::Positional(_));
        let found = written.arguments.iter().filter(plain).nth(at).map(|argument| Ok(argument.expr()));
        found.or_else(|| starred(written, |argument| matches!(argument, ArgumentP::Args(_))))
    };
    match step {
        Step::Parameter { name, position } => written
            .named(name)
            .map(Ok)
            .or_else(|| positional(*position))
            .or_else(|| starred(written, |argument| matches!(argument, ArgumentP::KwArgs(_)))),
        Step::Named(name) => written
            .arguments
            .iter()
            .find_map(|argument| match &argument.node {
                ArgumentP::Named(given, _) if given.node == *name => Some(Err(given.span)),
                _ => None,
            })
            .or_else(|| starred(written, |argument| matches!(argument, ArgumentP::KwArgs(_)))),
        Step::Positional(at) => positional(*at),
        Step::Item(_) | Step::Key(_) | Step::Entry(_) | Step::Value(_) => None,
    }
}

fn starred<'a>(
    written: &Written<'a>,
    is: impl Fn(&starlark::syntax::ast::Argument) -> bool,
) -> Option<Result<&'a AstExpr, Span>> {
    written.arguments.iter().find(|argument| is(&argument.node)).map(|argument| Err(argument.span))
}

/// The expression that `steps` lead to within `expr`, or as much of the way as is written out.
fn descend<'a>(mut expr: &'a AstExpr, steps: &[Step]) -> &'a AstExpr {
    for step in steps {
        let next = match (step, &expr.node) {
            (Step::Item(at), ExprP::List(items) | ExprP::Tuple(items)) => items.get(*at),
            (Step::Key(key), ExprP::Dict(entries)) => {
                entries.iter().find(|(written, _)| is_text(written, key)).map(|(written, _)| written)
            }
            (Step::Entry(at), ExprP::Dict(entries)) => entries.get(*at).map(|(written, _)| written),
            (Step::Value(key), ExprP::Dict(entries)) => {
                entries.iter().find(|(written, _)| is_text(written, key)).map(|(_, value)| value)
            }
            _ => None,
        };
        match next {
            Some(next) => expr = next,
            None => break,
        }
    }
    expr
}

fn is_text(expr: &AstExpr, text: &str) -> bool {
    matches!(&expr.node, ExprP::Literal(AstLiteral::String(literal)) if literal.node == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use starlark::codemap::Pos;

    fn located(text: &str, call: &str, steps: &[Step]) -> String {
        let start = text.find(call).unwrap();
        let source = Source::new("x.star".into(), text.into());
        let span = Span::new(Pos::new(start as u32), Pos::new((start + call.len()) as u32));
        text[source.locate(span, steps)].to_owned()
    }

    const NAME: Step = Step::Parameter { name: "name", position: 0 };
    const ENV: Step = Step::Parameter { name: "env", position: 9 };

    #[test]
    fn finds_what_is_written_out() {
        let call = r#"service("web", env = {"A": ["x", 1]})"#;
        let text = format!("def f():\n    if True:\n        {call}\n");
        assert_eq!(located(&text, call, &[]), "service");
        assert_eq!(located(&text, call, &[NAME]), "\"web\"");
        assert_eq!(located(&text, call, &[ENV, Step::Key("A".into())]), "\"A\"");
        assert_eq!(located(&text, call, &[ENV, Step::Value("A".into()), Step::Item(1)]), "1");
        assert_eq!(located(&text, call, &[Step::Named("env".into())]), "env");
    }

    #[test]
    fn stops_where_a_variable_or_stars_stand() {
        let call = "service(n, env = e, **rest)";
        assert_eq!(located(call, call, &[ENV, Step::Value("A".into())]), "e");
        assert_eq!(located(call, call, &[Step::Named("replica".into())]), "**rest");
        assert_eq!(located(call, call, &[NAME]), "n");
    }
}
