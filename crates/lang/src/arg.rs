use std::rc::Rc;

use icefield_spec::{Amount, Bytes, Cpu, InvalidQuantity, Millis, Name, nearest};
use serde_json::{Map, Value as Json};
use starlark::values::dict::DictRef;
use starlark::values::float::StarlarkFloat;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::{UnpackValue, Value, ValueLike};

use crate::docs::ParameterDoc;
use crate::report::Report;
use crate::session::Session;
use crate::site::{Site, Spot, Step};
use crate::thing::Thing;
use crate::value::{Builtin, Made, Unknown};

/// A value given to a call, or one within it, to be read as a type. Each way of reading reports what is no good about
/// the value, and then gives `None`.
pub(crate) struct Arg<'c, 'v> {
    session: &'c Session<'c>,
    site: &'c Rc<Site>,
    /// The list or dictionary that it is in.
    parent: Option<&'c Arg<'c, 'v>>,
    step: Step,
    value: Value<'v>,
    /// How it could be written.
    example: &'static str,
}

impl<'c, 'v> Arg<'c, 'v> {
    /// How deep values may nest that are passed on as they are; one that holds itself would never end.
    const MAX_DEPTH: usize = 64;

    pub(crate) fn new(
        session: &'c Session<'c>,
        site: &'c Rc<Site>,
        parameter: &'static ParameterDoc,
        position: usize,
        value: Value<'v>,
    ) -> Self {
        let step = Step::Parameter { name: parameter.name, position };
        Self { session, site, parent: None, step, value, example: parameter.kind }
    }

    fn within<'x>(&'x self, step: Step, value: Value<'v>) -> Arg<'x, 'v>
    where
        'c: 'x,
    {
        Arg { session: self.session, site: self.site, parent: Some(self), step, value, example: "" }
    }

    pub(crate) fn value(&self) -> Value<'v> {
        self.value
    }

    pub(crate) fn spot(&self) -> Spot {
        let mut steps: Vec<Step> =
            std::iter::successors(Some(self), |arg| arg.parent).map(|arg| arg.step.clone()).collect();
        steps.reverse();
        Spot { site: Rc::clone(self.site), steps }
    }

    /// What it is, for messages: `"replicas"`, `"env" of "PORT"`, `item 2 of "packages"`.
    fn what(&self) -> String {
        let of = |arg: &Option<&Arg<'_, '_>>| arg.map_or_else(String::new, |arg| format!(" of {}", arg.what()));
        match &self.step {
            Step::Parameter { name, .. } => format!("{name:?}"),
            Step::Named(name) => format!("{name:?}"),
            Step::Positional(at) | Step::Item(at) => format!("item {}{}", at + 1, of(&self.parent)),
            Step::Key(_) | Step::Entry(_) => format!("a key{}", of(&self.parent)),
            Step::Value(key) => format!("{key:?}{}", of(&self.parent)),
        }
    }

    /// Whether the value stands for something that was reported already.
    fn is_unknown(&self) -> bool {
        Unknown::from_value(self.value).is_some()
    }

    /// Reports `message` about the value.
    pub(crate) fn refuse<T>(&self, message: impl Into<String>, help: impl Into<Option<String>>) -> Option<T> {
        self.session.report(Report::new(self.spot(), message).help(help));
        None
    }

    /// Reports that the value is not what it must be.
    pub(crate) fn mismatch<T>(&self, wanted: &str, help: Option<String>) -> Option<T> {
        if self.is_unknown() {
            return None;
        }
        let forgot = Builtin::from_value(self.value)
            .map(|builtin| format!("{builtin} is a function; call it: {}", builtin.doc().signature()))
            .or(help);
        let message = format!("{} must be {wanted}", self.what());
        let report = Report::new(self.spot(), message).label(format!("this is {}", describe(self.value)));
        self.session.report(report.help(forgot));
        None
    }

    pub(crate) fn text(&self) -> Option<String> {
        if let Some(text) = self.value.unpack_str() {
            return Some(text.to_owned());
        }
        self.mismatch("text", self.with_quotes())
    }

    /// What to do about a plain value that stands for text.
    pub(crate) fn with_quotes(&self) -> Option<String> {
        let plain = matches!(self.value.get_type(), "int" | "float" | "bool");
        plain.then(|| format!("put it in quotes: \"{}\"", self.value))
    }

    /// A name, such as services have.
    pub(crate) fn name(&self) -> Option<Name> {
        self.as_name(&self.text()?)
    }

    /// `text`, which the value is or stands for, as a name.
    pub(crate) fn as_name(&self, text: &str) -> Option<Name> {
        Name::new(text).map_err(|error| self.refuse::<()>(error.to_string(), name_help(text))).ok()
    }

    /// A whole number from `least` to `most`, both of which `T` holds.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, least: i64, most: i64) -> Option<T> {
        if self.value.get_type() != "int" {
            return self.mismatch("a whole number", self.without_quotes());
        }
        let number = i64::unpack_value(self.value).ok().flatten();
        let bound = match number {
            Some(number) if number < least => format!("at least {least}"),
            None if self.value.to_str().starts_with('-') => format!("at least {least}"),
            Some(number) if number <= most => return T::try_from(number).ok(),
            _ => format!("at most {most}"),
        };
        self.refuse(format!("{} must be {bound}", self.what()), None)
    }

    /// What to do about a number that stands in quotes.
    fn without_quotes(&self) -> Option<String> {
        let quoted = self.value.unpack_str().filter(|text| text.trim().parse::<i64>().is_ok());
        quoted.map(|text| format!("without the quotes: {}", text.trim()))
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        self.value.unpack_bool().or_else(|| self.mismatch("True or False", None))
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let known: Vec<String> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        let known = match known.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => known.concat(),
        };
        let Some(text) = self.value.unpack_str() else { return self.mismatch(&known, None) };
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let help = nearest(text, choices.iter().map(|(word, _)| *word)).map(|near| format!("did you mean {near:?}?"));
        self.refuse(format!("{} must be {known}", self.what()), help)
    }

    pub(crate) fn cpu(&self) -> Option<Cpu> {
        self.quantity(str::parse, Cpu::from_number, "an amount of CPU like \"500m\" or 0.5")
    }

    pub(crate) fn bytes(&self) -> Option<Bytes> {
        self.quantity(str::parse, Bytes::from_number, "an amount of memory like \"256MiB\"")
    }

    /// How large something is that holds bytes.
    pub(crate) fn size(&self) -> Option<Bytes> {
        let called = |error: InvalidQuantity| error.called("a size");
        self.quantity(
            |text| text.parse().map_err(called),
            |number| Bytes::from_number(number).map_err(called),
            "a size like \"10GiB\"",
        )
    }

    /// So much of a resource: a whole number, or bytes as text.
    pub(crate) fn amount(&self) -> Option<Amount> {
        let wanted = "a whole number, or bytes like \"10GiB\"";
        if self.value.get_type() == "int" {
            return self.whole(0, Amount::MAX as i64).map(Amount::Count);
        }
        if self.value.unpack_str().is_none() || self.without_quotes().is_some() {
            return self.mismatch(wanted, self.without_quotes());
        }
        let parse = |text: &str| text.parse().map_err(|error: InvalidQuantity| error.called("an amount of a resource"));
        self.quantity(parse, Bytes::from_number, wanted).map(Amount::Bytes)
    }

    pub(crate) fn millis(&self) -> Option<Millis> {
        self.quantity(str::parse, Millis::from_number, "a length of time like \"2s\" or \"500ms\"")
    }

    fn quantity<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, InvalidQuantity>,
        from_number: impl Fn(f64) -> Result<T, InvalidQuantity>,
        wanted: &str,
    ) -> Option<T> {
        let read = if let Some(text) = self.value.unpack_str() {
            parse(text)
        } else if let Some(number) = number(self.value) {
            from_number(number)
        } else {
            return self.mismatch(wanted, None);
        };
        read.map_err(|error| self.refuse::<()>(error.to_string(), format!("{} is {wanted}", self.what()))).ok()
    }

    /// Whether it is a list (or tuple).
    pub(crate) fn is_list(&self) -> bool {
        UnpackListOrTuple::<Value<'v>>::unpack_value(self.value).ok().flatten().is_some()
    }

    /// A list (or tuple) whose items `read` reads; all are read, whatever is wrong with some.
    pub(crate) fn items<T>(&self, read: impl Fn(&Arg<'_, 'v>) -> Option<T>) -> Option<Vec<T>> {
        let Some(list) = UnpackListOrTuple::<Value<'v>>::unpack_value(self.value).ok().flatten() else {
            let lonely = self.value.unpack_str().is_some() || Made::from_value(self.value).is_some();
            return self.mismatch("a list", lonely.then(|| format!("put it in brackets: [{}]", self.value.to_repr())));
        };
        let items = list.items.into_iter().enumerate();
        all(items.map(|(at, value)| read(&self.within(Step::Item(at), value))))
    }

    /// A dictionary with text for keys, whose values `read` reads.
    pub(crate) fn entries<T>(&self, read: impl Fn(&str, &Arg<'_, 'v>) -> Option<T>) -> Option<Vec<(String, T)>> {
        let Some(dict) = DictRef::from_value(self.value) else {
            let example = if self.example.is_empty() { "{\"key\": \"value\"}" } else { self.example };
            return self.mismatch("a dictionary", Some(format!("write it like {example}")));
        };
        let entries: Vec<(Value<'v>, Value<'v>)> = dict.iter().collect();
        drop(dict);
        all(entries.into_iter().enumerate().map(|(at, (key, value))| {
            let Some(text) = key.unpack_str() else {
                let step = Step::Entry(at);
                return self.within(step, key).mismatch("text", Some(format!("put it in quotes: \"{key}\"")));
            };
            let entry = read(text, &self.within(Step::Value(text.to_owned()), value))?;
            Some((text.to_owned(), entry))
        }))
    }

    /// The same as `key` of an entry: for what is wrong with the key itself.
    pub(crate) fn key<'x>(&'x self, key: &str) -> Arg<'x, 'v> {
        match self.parent {
            Some(parent) => parent.within(Step::Key(key.to_owned()), self.value),
            None => self.within(Step::Key(key.to_owned()), self.value),
        }
    }

    /// A value that another function made; `wanted` says which.
    pub(crate) fn thing<T>(&self, wanted: &str, pick: impl FnOnce(Thing) -> Option<T>) -> Option<T> {
        let thing = Made::from_value(self.value).and_then(|made| self.session.thing(made.number));
        match thing.and_then(|(thing, _)| pick(thing)) {
            Some(picked) => Some(picked),
            None => self.mismatch(wanted, self.without_quotes().filter(|_| wanted.ends_with("number"))),
        }
    }

    /// Any value that JSON can hold.
    pub(crate) fn json(&self) -> Option<Json> {
        self.json_within(0)
    }

    fn json_within(&self, depth: usize) -> Option<Json> {
        let value = self.value;
        if depth > Self::MAX_DEPTH {
            return self.refuse(format!("{} nests too deeply", self.what()), None);
        }
        if value.is_none() {
            return Some(Json::Null);
        }
        if let Some(flag) = value.unpack_bool() {
            return Some(Json::Bool(flag));
        }
        if let Some(number) = i64::unpack_value(value).ok().flatten() {
            return Some(Json::from(number));
        }
        if let Some(number) = number(value).filter(|_| value.get_type() == "float") {
            let number = serde_json::Number::from_f64(number).map(Json::Number);
            return number.or_else(|| self.refuse(format!("{} is not a finite number", self.what()), None));
        }
        if let Some(text) = value.unpack_str() {
            return Some(Json::String(text.to_owned()));
        }
        if self.is_list() {
            return self.items(|item| item.json_within(depth + 1)).map(Json::Array);
        }
        if DictRef::from_value(value).is_some() {
            let entries = self.entries(|_, entry| entry.json_within(depth + 1))?;
            return Some(Json::Object(entries.into_iter().collect::<Map<_, _>>()));
        }
        self.mismatch("text, a number, True, False, None, a list or a dictionary", None)
    }
}

/// All of what `read` gives; `None` if any is missing, but only after all were read.
fn all<T>(read: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = read.collect();
    read.into_iter().collect()
}

fn number(value: Value<'_>) -> Option<f64> {
    if let Some(float) = value.downcast_ref::<StarlarkFloat>() {
        return Some(float.0);
    }
    if value.unpack_bool().is_some() {
        return None;
    }
    i64::unpack_value(value).ok().flatten().map(|number| number as f64)
}

/// What a value is, as a person would say.
fn describe(value: Value<'_>) -> String {
    if let Some(made) = Made::from_value(value) {
        return format!("{made}");
    }
    match value.get_type() {
        "NoneType" => "None".into(),
        "string" => "text".into(),
        "int" => "a whole number".into(),
        "float" if number(value).is_some_and(|number| !number.is_finite()) => format!("{value}, which is no number"),
        "float" => "a number with a fraction".into(),
        "bool" => value.to_str(),
        "dict" => "a dictionary".into(),
        other => format!("a {other}"),
    }
}

/// A name near to `text` that is allowed.
fn name_help(text: &str) -> Option<String> {
    let mapped: String = text
        .chars()
        .take(Name::MAX_LEN)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = mapped.trim_matches('-');
    Name::new(name).ok().map(|name| format!("{:?} would do", name.as_str()))
}
