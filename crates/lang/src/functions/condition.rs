use std::collections::BTreeMap;

use icefield_spec::Condition;

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::docs::{FunctionDoc, ParameterDoc, first};
use crate::thing::Thing;

const LEAST: ParameterDoc = first("least", "3", "The lowest number that will do.");
const MOST: ParameterDoc = first("most", "7", "The highest number that will do.");

pub(crate) static EXISTS: Function = Function {
    doc: FunctionDoc {
        name: "exists",
        summary: "A condition of require: the node has the label, whatever its value.",
        parameters: &[],
        example: "require = {\"disk\": exists()}",
    },
    call: |_| Outcome::Thing(Thing::Condition(Condition { exists: Some(true), ..Condition::default() })),
};

pub(crate) static ABSENT: Function = Function {
    doc: FunctionDoc {
        name: "absent",
        summary: "A condition of require: the node does not have the label.",
        parameters: &[],
        example: "require = {\"old\": absent()}",
    },
    call: |_| Outcome::Thing(Thing::Condition(Condition { exists: Some(false), ..Condition::default() })),
};

pub(crate) static NOT_IN: Function = Function {
    doc: FunctionDoc {
        name: "not_in",
        summary: "A condition of require: the label has none of these values. A node without the label will do.",
        parameters: &[first("values", "[\"c\"]", "The values.")],
        example: "require = {\"zone\": not_in([\"c\"])}",
    },
    call: |call| {
        let values = call.field("values", |arg| arg.items(|item| item.text()));
        let condition = values.map(|none_of| Condition { none_of, ..Condition::default() });
        Outcome::made(condition.map(Thing::Condition))
    },
};

pub(crate) static AT_LEAST: Function = Function {
    doc: FunctionDoc {
        name: "at_least",
        summary: "A condition of require: the label's value is a whole number, and not below this.",
        parameters: &[LEAST],
        example: "require = {\"generation\": at_least(3)}",
    },
    call: |call| {
        let at_least = number(call, "least");
        let condition = at_least.map(|_| Condition { at_least, ..Condition::default() });
        Outcome::made(condition.map(Thing::Condition))
    },
};

pub(crate) static AT_MOST: Function = Function {
    doc: FunctionDoc {
        name: "at_most",
        summary: "A condition of require: the label's value is a whole number, and not above this.",
        parameters: &[MOST],
        example: "require = {\"generation\": at_most(7)}",
    },
    call: |call| {
        let at_most = number(call, "most");
        let condition = at_most.map(|_| Condition { at_most, ..Condition::default() });
        Outcome::made(condition.map(Thing::Condition))
    },
};

pub(crate) static BETWEEN: Function = Function {
    doc: FunctionDoc {
        name: "between",
        summary: "A condition of require: the label's value is a whole number from one to the other, both included.",
        parameters: &[LEAST, MOST],
        example: "require = {\"generation\": between(3, 7)}",
    },
    call: |call| {
        let (at_least, at_most) = (number(call, "least"), number(call, "most"));
        let condition = at_least.zip(at_most).map(|_| Condition { at_least, at_most, ..Condition::default() });
        Outcome::made(condition.map(Thing::Condition))
    },
};

fn number(call: &mut Call<'_, '_>, name: &'static str) -> Option<i64> {
    call.field(name, |arg| arg.whole(i64::MIN, i64::MAX))
}

/// The value of `require =` of a service.
pub(super) fn require(arg: &Arg<'_, '_>) -> Option<BTreeMap<String, Condition>> {
    Some(arg.entries(|_, value| condition(value))?.into_iter().collect())
}

fn condition(arg: &Arg<'_, '_>) -> Option<Condition> {
    if let Some(one) = arg.value().unpack_str() {
        return Some(Condition::one_of([one]));
    }
    if arg.is_list() {
        return arg.items(|item| item.text()).map(Condition::one_of);
    }
    if let Some(help) = arg.with_quotes() {
        return arg.mismatch("text, a list of texts or a condition", Some(help));
    }
    let wanted = "text, a list of texts, or made by exists(), absent(), not_in(), at_least(), at_most() or between()";
    arg.thing(wanted, |thing| match thing {
        Thing::Condition(condition) => Some(condition),
        _ => None,
    })
}
