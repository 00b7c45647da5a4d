use icefield_spec::{Prefer, Spread};

use super::{Function, Outcome};
use crate::docs::{FunctionDoc, first, optional};
use crate::thing::Thing;

pub(crate) static PREFER: Function = Function {
    doc: FunctionDoc {
        name: "prefer",
        summary: "A soft rule: nodes whose label has this value are better.",
        parameters: &[
            first("label", "\"zone\"", "The label."),
            first("value", "\"a\"", "Its value."),
            optional("weight", "10", "1", "How much better, from -100 to 100; a negative one avoids."),
        ],
        example: "prefer = [prefer(\"zone\", \"a\", weight = 10)]",
    },
    call: |call| {
        let (label, value) = (call.field("label", |arg| arg.text()), call.field("value", |arg| arg.text()));
        let weight = call.field_or("weight", 1, |arg| arg.whole(-100, 100));
        let named = label.zip(value).filter(|_| call.broken.is_empty());
        Outcome::made(named.map(|(label, value)| Thing::Prefer(Prefer { label, value, weight })))
    },
};

pub(crate) static SPREAD: Function = Function {
    doc: FunctionDoc {
        name: "spread",
        summary: "Spreads replicas evenly over the values of a label; \"node\" is every node by itself.",
        parameters: &[
            first("label", "\"zone\"", "The label."),
            optional("max", "1", "None", "Hard: at most so many replicas for each value."),
        ],
        example: "spread = [spread(\"zone\"), spread(\"node\", max = 1)]",
    },
    call: |call| {
        let label = call.field("label", |arg| arg.text());
        let max = call.field("max", |arg| arg.whole(1, i64::from(u32::MAX)));
        let label = label.filter(|_| call.broken.is_empty());
        Outcome::made(label.map(|label| Thing::Spread(Spread { max, ..Spread::over(label) })))
    },
};
