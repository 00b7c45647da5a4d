use serde::Serialize;

use crate::functions::FUNCTIONS;

/// What there is to know about one function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FunctionDoc {
    /// Its name.
    pub name: &'static str,
    /// What it does or makes.
    pub summary: &'static str,
    /// Its parameters, those that may be given by position first.
    pub parameters: &'static [ParameterDoc],
    /// How it looks in a file.
    pub example: &'static str,
}

/// What there is to know about one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ParameterDoc {
    /// Its name.
    pub name: &'static str,
    /// What may be given for it, in a few words.
    pub kind: &'static str,
    /// What it is where nothing is given, as it would be written; `None` where something must be given.
    pub default: Option<&'static str>,
    /// Whether it may be given by position, without its name.
    pub positional: bool,
    /// What it is for.
    pub summary: &'static str,
}

impl FunctionDoc {
    /// The function with its parameters, as one would call it: `fixed(port)`, `pool(name, *, count, base = None, …)`.
    pub fn signature(&self) -> String {
        let mut parts = Vec::new();
        let mut star = false;
        for parameter in self.parameters {
            if !parameter.positional && !star {
                parts.push("*".to_owned());
                star = true;
            }
            parts.push(match parameter.default {
                Some(default) => format!("{} = {default}", parameter.name),
                None => parameter.name.to_owned(),
            });
        }
        format!("{}({})", self.name, parts.join(", "))
    }
}

/// All functions that Icefield adds to Starlark, in the order that a newcomer should meet them.
pub fn docs() -> Vec<FunctionDoc> {
    FUNCTIONS.iter().map(|function| function.doc).collect()
}

/// A parameter that must be given and may be given by position.
pub(crate) const fn first(name: &'static str, kind: &'static str, summary: &'static str) -> ParameterDoc {
    ParameterDoc { name, kind, default: None, positional: true, summary }
}

/// A parameter that must be given, by name.
pub(crate) const fn needed(name: &'static str, kind: &'static str, summary: &'static str) -> ParameterDoc {
    ParameterDoc { name, kind, default: None, positional: false, summary }
}

/// A parameter that may be left out.
pub(crate) const fn optional(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    summary: &'static str,
) -> ParameterDoc {
    ParameterDoc { name, kind, default: Some(default), positional: false, summary }
}

/// A parameter that may be left out or given by position.
pub(crate) const fn optional_first(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    summary: &'static str,
) -> ParameterDoc {
    ParameterDoc { name, kind, default: Some(default), positional: true, summary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_documented_and_callable_as_documented() {
        for doc in docs() {
            assert!(!doc.summary.is_empty() && doc.example.contains(doc.name), "{}", doc.name);
            assert!(doc.parameters.iter().is_sorted_by_key(|parameter| !parameter.positional), "{}", doc.name);
            for parameter in doc.parameters {
                assert!(!parameter.summary.is_empty() && !parameter.kind.is_empty(), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn signatures_read_like_calls() {
        let signature = |name| docs().into_iter().find(|doc| doc.name == name).unwrap().signature();
        insta::assert_snapshot!(signature("fixed"), @"fixed(port)");
        insta::assert_snapshot!(signature("spread"), @"spread(label, *, max = None, max_skew = None, min_domains = None, weight = None)");
        insta::assert_snapshot!(signature("dynamic"), @"dynamic()");
    }
}
