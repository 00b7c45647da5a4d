use icefield_spec::references;
use starlark::codemap::Span;
use starlark::syntax::ast::{AstExpr, AstLiteral, ExprP};

use crate::written::Written;

/// What is known of the text that a problem speaks of, where its path ends before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clue {
    /// A word of it: a string that is the word or, failing that, holds it; or the value of an argument of that name.
    Word(String),
    /// It is a string that refers to the variable of this name.
    Reference(String),
    /// It is a string with a malformed `$` reference.
    Malformed,
}

impl Clue {
    fn is(&self, literal: &str) -> bool {
        match self {
            Self::Word(word) => word == literal,
            Self::Reference(name) => references(literal).is_ok_and(|names| names.contains(&name.as_str())),
            Self::Malformed => references(literal).is_err(),
        }
    }

    fn within(&self, literal: &str) -> bool {
        matches!(self, Self::Word(word) if literal.contains(word.as_str()))
    }

    /// The value of the argument that the clue names.
    pub(crate) fn argument_of(&self, written: &Written<'_>) -> Option<Span> {
        let Self::Word(word) = self else { return None };
        written.named(word).map(|value| value.span)
    }

    /// The first of what the clue means within `exprs`.
    pub(crate) fn find(&self, exprs: &[&AstExpr]) -> Option<Span> {
        let mut within = None;
        let mut stack: Vec<&AstExpr> = exprs.iter().rev().copied().collect();
        while let Some(expr) = stack.pop() {
            match &expr.node {
                ExprP::Literal(AstLiteral::String(literal)) if self.is(literal) => return Some(expr.span),
                ExprP::Literal(AstLiteral::String(literal)) if within.is_none() && self.within(literal) => {
                    within = Some(expr.span);
                }
                ExprP::Call(callee, arguments) => {
                    let written = Written { callee: callee.as_ref(), arguments: &arguments.args };
                    if let Some(found) = self.argument_of(&written) {
                        return Some(found);
                    }
                }
                _ => {}
            }
            let from = stack.len();
            expr.visit_expr(|child| stack.push(child));
            stack[from..].reverse();
        }
        within
    }
}
