use starlark::syntax::ast::{ArgumentP, AstArgument, AstExpr};

/// A call as it is written.
pub(crate) struct Written<'a> {
    pub(crate) callee: &'a AstExpr,
    pub(crate) arguments: &'a [AstArgument],
}

impl<'a> Written<'a> {
    /// The value of the argument that is given by this name.
    pub(crate) fn named(&self, name: &str) -> Option<&'a AstExpr> {
        self.arguments.iter().find_map(|argument| match &argument.node {
            ArgumentP::Named(given, value) if given.node == name => Some(value),
            _ => None,
        })
    }
}
