use std::rc::Rc;

use icefield_spec::nearest;
use starlark::eval::{Arguments, Evaluator};
use starlark::values::dict::DictRef;
use starlark::values::list::ListRef;
use starlark::values::{Heap, Value};

use crate::arg::Arg;
use crate::docs::{FunctionDoc, ParameterDoc};
use crate::functions::{Function, Outcome};
use crate::report::Report;
use crate::session::Session;
use crate::site::{Site, Spot, Step};
use crate::value::{Extra, Made, Unknown};

/// One call of a function of the language.
pub(crate) struct Call<'c, 'v> {
    pub(crate) session: &'c Session<'c>,
    pub(crate) doc: &'static FunctionDoc,
    pub(crate) site: Rc<Site>,
    /// What was given for each parameter, in the order of the documentation.
    given: Vec<Option<Value<'v>>>,
    /// The parameters for which something was given that is no good; it is reported already.
    pub(crate) broken: Vec<&'static str>,
    /// Where the things that were given were made, by parameter.
    pub(crate) made: Vec<(&'static str, Rc<Site>)>,
    /// Whether there were more arguments by position than may be: what seems missing was likely among them.
    crowded: bool,
}

/// Calls `function` for the interpreter. It fails only where the interpreter itself cannot make sense of the call.
pub(crate) fn invoke<'v>(
    function: &'static Function,
    args: &Arguments<'v, '_>,
    eval: &mut Evaluator<'v, '_, '_>,
) -> starlark::Result<Value<'v>> {
    let heap = eval.heap();
    let extra = eval.extra.and_then(|extra| extra.downcast_ref::<Extra<'_>>());
    let (Some(extra), Some(site)) = (extra, Site::current(eval)) else { return Ok(Unknown::alloc(heap)) };
    let mut call = Call {
        session: extra.session,
        doc: &function.doc,
        site,
        given: vec![None; function.doc.parameters.len()],
        broken: Vec::new(),
        made: Vec::new(),
        crowded: false,
    };
    call.bind(args, heap)?;
    Ok(match (function.call)(&mut call) {
        Outcome::Nothing => Value::new_none(),
        Outcome::Unknown => Unknown::alloc(heap),
        Outcome::Text(text) => heap.alloc(text),
        Outcome::Whole(number) => heap.alloc(number),
        Outcome::Fraction(number) => heap.alloc(number),
        Outcome::Flag(flag) => Value::new_bool(flag),
        Outcome::Given(value) => value,
        Outcome::Thing(thing) => {
            let number = call.session.keep(thing, Rc::clone(&call.site));
            heap.alloc(Made { number, function: function.number() })
        }
    })
}

impl<'c, 'v> Call<'c, 'v> {
    /// Sorts the arguments to their parameters and reports those that have none.
    fn bind(&mut self, args: &Arguments<'v, '_>, heap: Heap<'v>) -> starlark::Result<()> {
        for (at, value) in args.positions(heap)?.enumerate() {
            match self.doc.parameters.get(at).filter(|parameter| parameter.positional) {
                Some(_) => self.given[at] = Some(value),
                None => {
                    self.crowded = true;
                    self.report_extra(at);
                }
            }
        }
        for (name, value) in args.names_map()? {
            let name = name.as_str();
            match self.doc.parameters.iter().position(|parameter| parameter.name == name) {
                Some(at) if self.given[at].is_none() => self.given[at] = Some(value),
                Some(_) => {
                    let message = format!("{name:?} is given twice");
                    let report = Report::new(self.spot(Step::Named(name.into())), message);
                    self.session.report(report.label("it is the first argument already"));
                }
                None => self.report_unknown(name),
            }
        }
        Ok(())
    }

    fn report_extra(&self, at: usize) {
        let positional: Vec<&str> = self
            .doc
            .parameters
            .iter()
            .filter(|parameter| parameter.positional)
            .map(|parameter| parameter.name)
            .collect();
        let help = match self.doc.parameters.get(at) {
            Some(parameter) => format!("give it by name, like {} = …", parameter.name),
            None => format!("write {}", self.doc.signature()),
        };
        let message = match positional.as_slice() {
            [] => format!("{}() takes no arguments by position", self.doc.name),
            [one] => format!("{}() takes only {one:?} by position", self.doc.name),
            some => format!("{}() takes only {some:?} by position", self.doc.name),
        };
        let label = "too many arguments without a name";
        self.session.report(Report::new(self.spot(Step::Positional(at)), message).label(label).help(help));
    }

    fn report_unknown(&self, name: &str) {
        let known = self.doc.parameters.iter().map(|parameter| parameter.name);
        let help = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("{}() knows {}", self.doc.name, known.collect::<Vec<_>>().join(", ")),
        };
        let report = Report::new(self.spot(Step::Named(name.into())), format!("unknown argument {name:?}"));
        self.session.report(report.label(format!("{}() has no such argument", self.doc.name)).help(help));
    }

    fn report_missing(&self, parameter: &ParameterDoc) {
        let (function, name) = (self.doc.name, parameter.name);
        let report = Report::new(Spot::callee(&self.site), format!("{function}() needs {name:?}"));
        let report = report.label(format!("{name:?} is missing"));
        self.session.report(report.help(format!("add {name} = {}", parameter.kind)));
    }

    pub(crate) fn spot(&self, step: Step) -> Spot {
        Spot::at(&self.site, step)
    }

    /// What was given for the parameter `name`, read by `read`; `None` if there is nothing, or nothing good, which is
    /// then reported and noted in `broken`.
    pub(crate) fn field<T>(&mut self, name: &'static str, read: impl FnOnce(&Arg<'_, 'v>) -> Option<T>) -> Option<T> {
        let position = self.doc.parameters.iter().position(|parameter| parameter.name == name)?;
        let parameter = &self.doc.parameters[position];
        let value = self.given[position].filter(|value| parameter.default.is_none() || !value.is_none());
        let Some(value) = value else {
            if parameter.default.is_none() {
                self.broken.push(name);
                if !self.crowded {
                    self.report_missing(parameter);
                }
            }
            return None;
        };
        self.note_made(name, value);
        let arg = Arg::new(self.session, &self.site, parameter, position, value);
        let read = read(&arg);
        if read.is_none() {
            self.broken.push(name);
        }
        read
    }

    /// What was given for the parameter `name`, whatever it is.
    pub(crate) fn given(&self, name: &str) -> Option<Value<'v>> {
        self.given[self.doc.parameters.iter().position(|parameter| parameter.name == name)?]
    }

    /// Whether anything was given for a parameter that is not among `names`.
    pub(crate) fn is_given_besides(&self, names: &[&str]) -> bool {
        let others = self.doc.parameters.iter().zip(&self.given).filter(|(other, _)| !names.contains(&other.name));
        others.into_iter().any(|(_, given)| given.is_some())
    }

    /// Like [`Self::field`], with something to take instead of nothing.
    pub(crate) fn field_or<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Arg<'_, 'v>) -> Option<T>,
    ) -> T {
        self.field(name, read).unwrap_or(default)
    }

    fn note_made(&mut self, name: &'static str, value: Value<'v>) {
        let list = ListRef::from_value(value).map_or(&[][..], |list| list.content());
        let dict: Vec<Value<'v>> = DictRef::from_value(value).map_or(Vec::new(), |dict| dict.values().collect());
        for value in std::iter::once(value).chain(list.iter().copied()).chain(dict) {
            if let Some(made) = Made::from_value(value)
                && let Some((_, site)) = self.session.thing(made.number)
            {
                self.made.push((name, site));
            }
        }
    }
}
