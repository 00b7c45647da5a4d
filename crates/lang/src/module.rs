use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use icefield_spec::nearest;
use starlark::codemap::Span;
use starlark::environment::{FrozenModule, Globals, GlobalsBuilder, LibraryExtension, Module};
use starlark::eval::{BeforeStmtFunc, Evaluator};
use starlark::syntax::AstModule;
use starlark::syntax::ast::{AstStmt, Load, StmtP};
use starlark::values::FrozenHeapName;

use crate::Diagnostic;
use crate::failure::diagnose;
use crate::functions::FUNCTIONS;
use crate::loaded::{Loaded, has_symbol, with_stand_ins};
use crate::loader::{InvalidPath, check_text, resolve};
use crate::names::undefined;
use crate::nesting::{MAX_BRACKETS, brackets};
use crate::resume::rest_after;
use crate::session::Session;
use crate::source::{Source, dialect, range};
use crate::value::{Builtin, Extra, Unknown};
use crate::watch::Watcher;

/// The files of one evaluation, each run once.
pub(crate) struct Files<'a> {
    session: &'a Session<'a>,
    globals: Globals,
    global_names: BTreeSet<String>,
    /// What each file defines; nothing where it could not be run.
    modules: BTreeMap<String, Option<FrozenModule>>,
    /// The files that are being loaded, each by the one before it.
    loading: Vec<String>,
}

/// Where a file is asked for.
type Asked = Option<(Rc<Source>, Range<usize>)>;

impl<'a> Files<'a> {
    const MAX_LOADS: usize = 64;
    /// A file with more failing statements than this is not worth going on with.
    const MAX_FAILURES: usize = 20;

    pub(crate) fn new(session: &'a Session<'a>) -> Self {
        use LibraryExtension::{Filter, Json, Map, Partial, Print, SetType, StructType};
        let mut globals = GlobalsBuilder::extended_by(&[StructType, Map, Filter, Partial, Print, Json, SetType]);
        for (number, function) in FUNCTIONS.iter().enumerate() {
            globals.set(function.doc.name, Builtin { number });
        }
        let globals = globals.build();
        let global_names = globals.names().map(|name| name.as_str().to_owned()).collect();
        Self { session, globals, global_names, modules: BTreeMap::new(), loading: Vec::new() }
    }

    /// Runs the file at `path`, which was asked for at `asked`, unless it ran already.
    pub(crate) fn module(&mut self, path: &str, asked: Asked) -> Option<FrozenModule> {
        if let Some(module) = self.modules.get(path) {
            return module.clone();
        }
        if self.loading.iter().any(|file| file == path) || self.loading.len() >= Self::MAX_LOADS {
            self.report_circle(path, asked);
            return None;
        }
        let source = self.read(path, asked)?;
        self.loading.push(path.to_owned());
        let module = self.run(&source);
        self.loading.pop();
        self.modules.insert(path.to_owned(), module.clone());
        module
    }

    fn report_circle(&self, path: &str, asked: Asked) {
        let from = self.loading.iter().position(|file| file == path);
        let message = match from {
            Some(from) => {
                let circle: Vec<&str> = self.loading[from..].iter().map(String::as_str).chain([path]).collect();
                format!("files load each other in a circle: {}", circle.join(" → "))
            }
            None => format!("more than {} files load each other", Self::MAX_LOADS),
        };
        let help = "move what both need into a file of its own";
        self.diagnose_at(asked, Diagnostic::error(message).with_help(help));
    }

    fn diagnose_at(&self, asked: Asked, diagnostic: Diagnostic) {
        let place = asked.map(|(source, range)| source.place(range));
        self.session.diagnose(Diagnostic { place, ..diagnostic });
    }

    fn read(&mut self, path: &str, asked: Asked) -> Option<Rc<Source>> {
        self.session.note_file(path);
        let text = self.session.loader.read(path).and_then(|text| {
            check_text(&text, self.session.limits.source)?;
            Ok(text)
        });
        match text {
            Ok(text) => {
                let source = Rc::new(Source::new(path.to_owned(), text));
                self.session.sources.borrow_mut().insert(path.to_owned(), Rc::clone(&source));
                Some(source)
            }
            Err(error) => {
                let diagnostic = Diagnostic::error(format!("cannot read {path:?}: {error}"));
                let help = error.help().map(str::to_owned);
                self.diagnose_at(asked, Diagnostic { help, ..diagnostic });
                self.modules.insert(path.to_owned(), None);
                None
            }
        }
    }

    fn run(&mut self, source: &Rc<Source>) -> Option<FrozenModule> {
        let brackets = brackets(&source.text);
        if let Some(bracket) = brackets.too_deep {
            let message = format!("brackets nest deeper than {MAX_BRACKETS}");
            self.session
                .diagnose(source.error(bracket, message).with_help("give inner parts a name, one after the other"));
            return None;
        }
        let ast = match AstModule::parse(&source.path, source.text.clone(), &dialect()) {
            Ok(ast) => ast,
            Err(error) => {
                let cut_off = error.without_diagnostic().to_string().contains("new line");
                let at_end = error.span().is_some_and(|span| range(span.span).end >= source.text.trim_end().len());
                let diagnostic = match brackets.unclosed.filter(|_| at_end && cut_off) {
                    Some(bracket) => unclosed(source, bracket),
                    None => diagnose(self.session, &error),
                };
                self.session.diagnose(diagnostic);
                return None;
            }
        };
        let unknown = self.report_undefined(source, ast.statement());
        let loaded = Loaded(self.load(source, ast.statement()));
        if self.session.exhausted.get() {
            return None;
        }
        self.execute(source, ast, &unknown, &loaded)
    }

    /// Reports names that are defined nowhere, and gives them back.
    fn report_undefined(&self, source: &Source, root: &AstStmt) -> BTreeSet<String> {
        let undefined = undefined(root, &|name| self.global_names.contains(name));
        let mut reported = BTreeSet::new();
        for used in &undefined {
            let known = used.known.iter().copied().chain(self.global_names.iter().map(String::as_str));
            let help = match (used.name, nearest(used.name, known)) {
                ("null" | "nil", _) => Some("the empty value is called None".to_owned()),
                (_, Some(near)) => Some(format!("did you mean {near:?}?")),
                (_, None) => Some("define it first, load() it, or put it in quotes if it is text".to_owned()),
            };
            let error = source.error(range(used.span), format!("unknown name {:?}", used.name));
            self.session.diagnose(Diagnostic { help, ..error });
            reported.insert(used.name.to_owned());
        }
        reported
    }

    /// Runs the files that `root` loads, and gives what they define by the path as it is written. What is missing is
    /// reported and stood in for.
    fn load(&mut self, source: &Rc<Source>, root: &AstStmt) -> HashMap<String, FrozenModule> {
        let mut loads: Vec<&Load> = Vec::new();
        top_level(root, &mut |stmt| {
            if let StmtP::Load(load) = &stmt.node {
                loads.push(load);
            }
        });
        let mut modules = HashMap::new();
        let mut symbols: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for load in loads {
            let written = load.module.node.as_str();
            let module = self.loaded(source, written, load.module.span);
            for arg in &load.args {
                symbols.entry(written).or_default().insert(&arg.their.node);
                if let Some(module) = &module {
                    self.check_symbol(source, written, module, &arg.their.node, arg.their.span);
                }
            }
            let wanted = symbols.get(written).into_iter().flatten().copied();
            if let Some(module) = with_stand_ins(module, wanted) {
                modules.insert(written.to_owned(), module);
            }
        }
        modules
    }

    fn loaded(&mut self, source: &Rc<Source>, written: &str, span: Span) -> Option<FrozenModule> {
        match resolve(&source.path, written) {
            Ok(path) => self.module(&path, Some((Rc::clone(source), range(span)))),
            Err(error) => {
                let help = match error {
                    InvalidPath::Absolute | InvalidPath::Escapes => {
                        "files can load what is in the first file's folder, or below it"
                    }
                    InvalidPath::Empty | InvalidPath::Folder => "name a file, like \"lib.star\"",
                };
                let message = format!("cannot load {written:?}: {error}");
                self.session.diagnose(source.error(range(span), message).with_help(help));
                None
            }
        }
    }

    fn check_symbol(&self, source: &Source, written: &str, module: &FrozenModule, symbol: &str, span: Span) {
        if has_symbol(module, symbol) {
            return;
        }
        let error = if symbol.starts_with('_') {
            let message = format!("{symbol:?} is private to {written:?}");
            source.error(range(span), message).with_help("names that start with \"_\" cannot be loaded")
        } else {
            let names: Vec<&str> =
                module.names().map(|name| name.as_str()).filter(|name| has_symbol(module, name)).collect();
            let help = match nearest(symbol, names.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if names.is_empty() => "it defines nothing".to_owned(),
                None => format!("it defines {}", names.join(", ")),
            };
            source.error(range(span), format!("{written:?} does not define {symbol:?}")).with_help(help)
        };
        self.session.diagnose(error);
    }

    /// Runs the statements of a file. One that fails is reported, and the next ones run nevertheless.
    fn execute(
        &self,
        source: &Source,
        ast: AstModule,
        unknown: &BTreeSet<String>,
        loaded: &Loaded,
    ) -> Option<FrozenModule> {
        let extra = Extra { session: self.session };
        Module::with_temp_heap(|module| {
            unknown.iter().for_each(|name| module.set(name, Unknown::alloc(module.heap())));
            let mut next = Some(ast);
            let mut failures = 0;
            while let Some(ast) = next.take() {
                // The interpreter takes the tree with it; only what may fail needs one to go on from.
                let tree = ast.clone();
                if let Err(error) = self.evaluate(&module, ast, &extra, loaded) {
                    // What cannot be loaded is reported before anything runs.
                    if !is_about_load(&error) {
                        self.session.diagnose(diagnose(self.session, &error));
                    }
                    failures += 1;
                    if !self.session.exhausted.get() && failures < Self::MAX_FAILURES {
                        next = rest_after(source, &tree, &error, &module);
                    }
                }
            }
            match module.freeze_named(FrozenHeapName::User(Box::new(source.path.clone()))) {
                Ok(module) => Some(module),
                Err(error) => {
                    self.session.diagnose(diagnose(self.session, &error.into()));
                    None
                }
            }
        })
    }

    fn evaluate<'v>(
        &self,
        module: &Module<'v>,
        ast: AstModule,
        extra: &Extra<'a>,
        loaded: &Loaded,
    ) -> starlark::Result<()> {
        let limits = self.session.limits;
        let steps = limits.steps.saturating_sub(self.session.steps.get()).max(1);
        let mut evaluator = Evaluator::new(module);
        evaluator.extra = Some(extra);
        if let Some(watch) = &self.session.watch {
            let watcher = Box::new(Watcher(Rc::clone(watch)));
            evaluator.before_stmt_for_dap(BeforeStmtFunc::from_dyn(watcher));
        }
        evaluator.set_loader(loaded);
        evaluator.set_print_handler(self.session);
        evaluator.set_max_callstack_size(limits.depth.max(2))?;
        evaluator.set_max_tick_count(steps)?;
        evaluator.set_max_heap_size(usize::try_from(limits.memory / 2).unwrap_or(usize::MAX).max(1))?;
        let result = evaluator.eval_module(ast, &self.globals);
        self.session.steps.set(self.session.steps.get() + evaluator.get_total_tick_count());
        result.map(|_| ())
    }
}

fn unclosed(source: &Source, bracket: Range<usize>) -> Diagnostic {
    let error =
        source.error(bracket, "a bracket is never closed").with_help("is its end missing, or that of one within it?");
    Diagnostic { label: Some("opened here".into()), ..error }
}

fn is_about_load(error: &starlark::Error) -> bool {
    error.without_diagnostic().to_string().starts_with("Cannot import private symbol")
}

/// Calls `each` with the statements of a file.
pub(crate) fn top_level<'a>(stmt: &'a AstStmt, each: &mut impl FnMut(&'a AstStmt)) {
    match &stmt.node {
        StmtP::Statements(statements) => statements.iter().for_each(|stmt| top_level(stmt, each)),
        _ => each(stmt),
    }
}
