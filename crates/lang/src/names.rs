//! Names that are used in a file but defined nowhere: all of them, where the interpreter stops at the first.

use std::collections::BTreeSet;

use starlark::codemap::Span;
use starlark::syntax::ast::{
    AssignTarget, AstAssignTarget, AstExpr, AstParameter, AstStmt, Clause, ExprP, ForClause, StmtP,
};
use starlark_syntax::syntax::uniplate::Visit;

/// A use of a name that is defined nowhere.
pub(crate) struct Undefined<'a> {
    pub(crate) name: &'a str,
    pub(crate) span: Span,
    /// The names that could have been meant at this point, besides the global ones.
    pub(crate) known: BTreeSet<&'a str>,
}

/// All uses within `root` of names that neither the file nor `is_global` knows.
pub(crate) fn undefined<'a>(root: &'a AstStmt, is_global: &dyn Fn(&str) -> bool) -> Vec<Undefined<'a>> {
    let mut resolver = Resolver { is_global, scopes: Vec::new(), undefined: Vec::new() };
    resolver.enter(|names| assigned(root, names));
    resolver.stmt(root);
    resolver.undefined
}

/// The names that `stmt` gives a value to, in its own scope.
pub(crate) fn assigned<'a>(stmt: &'a AstStmt, names: &mut BTreeSet<&'a str>) {
    match &stmt.node {
        StmtP::Assign(assign) => targets(&assign.lhs, names),
        StmtP::AssignModify(target, _, _) => targets(target, names),
        StmtP::For(for_) => targets(&for_.var, names),
        StmtP::Def(def) => {
            names.insert(&def.name.ident);
            return;
        }
        StmtP::Load(load) => names.extend(load.args.iter().map(|arg| arg.local.ident.as_str())),
        _ => {}
    }
    stmt.visit_stmt(|child| assigned(child, names));
}

fn targets<'a>(target: &'a AstAssignTarget, names: &mut BTreeSet<&'a str>) {
    match &target.node {
        AssignTarget::Identifier(ident) => {
            names.insert(&ident.ident);
        }
        AssignTarget::Tuple(parts) => parts.iter().for_each(|part| targets(part, names)),
        AssignTarget::Index(_) | AssignTarget::Dot(..) => {}
    }
}

struct Resolver<'a, 'g> {
    is_global: &'g dyn Fn(&str) -> bool,
    scopes: Vec<BTreeSet<&'a str>>,
    undefined: Vec<Undefined<'a>>,
}

impl<'a> Resolver<'a, '_> {
    fn enter(&mut self, fill: impl FnOnce(&mut BTreeSet<&'a str>)) {
        let mut names = BTreeSet::new();
        fill(&mut names);
        self.scopes.push(names);
    }

    fn stmt(&mut self, stmt: &'a AstStmt) {
        let StmtP::Def(def) = &stmt.node else {
            stmt.visit_children(|child| match child {
                Visit::Stmt(stmt) => self.stmt(stmt),
                Visit::Expr(expr) => self.expr(expr),
            });
            return;
        };
        self.defaults(&def.params);
        self.enter(|names| {
            parameters(&def.params, names);
            assigned(&def.body, names);
        });
        self.stmt(&def.body);
        self.scopes.pop();
    }

    fn expr(&mut self, expr: &'a AstExpr) {
        match &expr.node {
            ExprP::Identifier(ident) => self.name(&ident.node.ident, ident.span),
            ExprP::Lambda(lambda) => {
                self.defaults(&lambda.params);
                self.enter(|names| parameters(&lambda.params, names));
                self.expr(&lambda.body);
                self.scopes.pop();
            }
            ExprP::ListComprehension(item, first, clauses) => self.comprehension(&[item.as_ref()], first, clauses),
            ExprP::DictComprehension(item, first, clauses) => {
                self.comprehension(&[&item.0, &item.1], first, clauses);
            }
            _ => expr.visit_expr(|child| self.expr(child)),
        }
    }

    fn comprehension(&mut self, items: &[&'a AstExpr], first: &'a ForClause, clauses: &'a [Clause]) {
        // What the first loop goes over is outside of the comprehension's scope, everything else within.
        self.expr(&first.over);
        self.enter(|names| {
            targets(&first.var, names);
            for clause in clauses {
                if let Clause::For(for_) = clause {
                    targets(&for_.var, names);
                }
            }
        });
        for clause in clauses {
            match clause {
                Clause::For(for_) => self.expr(&for_.over),
                Clause::If(condition) => self.expr(condition),
            }
        }
        items.iter().for_each(|item| self.expr(item));
        self.scopes.pop();
    }

    fn defaults(&mut self, params: &'a [AstParameter]) {
        params.iter().for_each(|param| param.visit_expr(|default| self.expr(default)));
    }

    fn name(&mut self, name: &'a str, span: Span) {
        if !(self.is_global)(name) && !self.scopes.iter().any(|scope| scope.contains(name)) {
            let known = self.scopes.iter().flatten().copied().collect();
            self.undefined.push(Undefined { name, span, known });
        }
    }
}

fn parameters<'a>(params: &'a [AstParameter], names: &mut BTreeSet<&'a str>) {
    names.extend(params.iter().filter_map(|param| Some(param.ident()?.ident.as_str())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::dialect;
    use starlark::syntax::AstModule;

    fn names(text: &str) -> String {
        let ast = AstModule::parse("x.star", text.into(), &dialect()).unwrap();
        let undefined = undefined(ast.statement(), &|name| name == "len");
        undefined.iter().map(|use_| use_.name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn knows_every_scope() {
        let text = "
load('lib.star', 'a', b = 'c')
def f(x, y = a, *args, **kwargs):
    for i, (j, k) in x:
        z = len(i + j + k + later)
    return [p + q for p in x for q in p if q] + {r: y for r in z}.keys() + args + kwargs
later = f(b, lambda s: s + later)
later += 1
";
        assert_eq!(names(text), "");
    }

    #[test]
    fn finds_all_that_are_missing() {
        assert_eq!(
            names("x = y\ndef f(a = b):\n    return c + a\n[d for e in f]\nprint(f'{g}')\nh.i(j = k)"),
            "y b c d print g h k"
        );
        assert_eq!(names("[x for x in x]"), "x");
    }
}
