use std::collections::BTreeMap;

use icefield_spec::{Company, Layout, Prefer, Rules, Spread};

use super::condition::require;
use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::docs::{FunctionDoc, ParameterDoc, first, optional, optional_first};
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
            first("label", "\"zone\"", "The label, whose values are the domains."),
            optional("max", "1", "None", "Hard: at most so many replicas in each domain."),
            optional(
                "max_skew",
                "1",
                "None",
                "Hard: no domain gets more than so many above the one with the fewest replicas.",
            ),
            optional("min_domains", "2", "None", "Hard: the replicas are in at least so many domains."),
            optional(
                "weight",
                "50",
                "None",
                "Soft: what each replica in a domain costs the next one there, from 0 to 10000; if not given, 128 for \
                 the first spread of a service, 64 for the second, and so on by halves.",
            ),
        ],
        example: "spread = [spread(\"zone\", max_skew = 1), spread(\"node\", max = 1)]",
    },
    call: |call| {
        let most = i64::from(u32::MAX);
        let label = call.field("label", |arg| arg.text());
        let max = call.field("max", |arg| arg.whole(1, most));
        let max_skew = call.field("max_skew", |arg| arg.whole(1, most));
        let min_domains = call.field("min_domains", |arg| arg.whole(1, most));
        let weight = call.field("weight", |arg| arg.whole(0, i64::from(Spread::MAX_WEIGHT)));
        let label = label.filter(|_| call.broken.is_empty());
        Outcome::made(label.map(|label| Thing::Spread(Spread { label, max, max_skew, min_domains, weight })))
    },
};

pub(crate) static NEAR: Function = Function {
    doc: FunctionDoc {
        name: "near",
        summary: "Another service, and how near it is meant to be: on a node with the same value of a label.",
        parameters: &[
            first("service", "\"db\"", "The other service; it may be the same one."),
            optional_first("label", "\"zone\"", "\"node\"", "The label; \"node\" is the very same node."),
        ],
        example: "keep_with = [near(\"db\", \"zone\")]",
    },
    call: |call| {
        let service = call.field("service", |arg| arg.name());
        let label = call.field_or("label", Company::same_node(), |arg| arg.text());
        let service = service.filter(|_| call.broken.is_empty());
        Outcome::made(service.map(|service| Thing::Company(Company { service, label })))
    },
};

pub(super) const REQUIRE: ParameterDoc = optional(
    "require",
    "{\"disk\": \"ssd\"}",
    "{}",
    "Hard: labels that the node must have; a list means one of these. Or exists(), absent(), not_in(), at_least(), \
     at_most(), between().",
);
pub(super) const PREFERENCES: ParameterDoc =
    optional("prefer", "[prefer(\"zone\", \"a\")]", "[]", "Soft: labels that make a node better.");
pub(super) const KEEP_WITH: ParameterDoc = optional(
    "keep_with",
    "[\"db\"]",
    "[]",
    "Hard: a replica of each of these services is on the same node; near() says by another label.",
);
pub(super) const KEEP_FROM: ParameterDoc = optional(
    "keep_from",
    "[near(\"batch\", \"zone\")]",
    "[]",
    "Hard: no replica of these services is on the same node; near() says by another label.",
);
pub(super) const TOLERATE: ParameterDoc =
    optional("tolerate", "[\"gpu\"]", "[]", "Taints of nodes that do not keep it away.");

/// The rules among the arguments of a service or a job.
pub(super) fn rules(call: &mut Call<'_, '_>) -> Rules {
    Rules {
        require: call.field_or("require", BTreeMap::new(), require),
        prefer: call.field_or("prefer", Vec::new(), |arg| arg.items(prefer)),
        spread: call.field_or("spread", Vec::new(), |arg| arg.items(spread)),
        keep_with: call.field_or("keep_with", Vec::new(), |arg| arg.items(company)),
        keep_from: call.field_or("keep_from", Vec::new(), |arg| arg.items(company)),
        tolerate: call.field_or("tolerate", Vec::new(), |arg| arg.items(|item| item.text())),
        layout: call.field_or("layout", Layout::default(), |arg| {
            arg.choice(&[("balanced", Layout::Balanced), ("packed", Layout::Packed), ("any", Layout::Any)])
        }),
        move_cost: call.field("move_cost", |arg| arg.whole(0, i64::from(Rules::MAX_MOVE_COST))),
    }
}

fn prefer(arg: &Arg<'_, '_>) -> Option<Prefer> {
    arg.thing("made by prefer(\"label\", \"value\")", |thing| match thing {
        Thing::Prefer(prefer) => Some(prefer),
        _ => None,
    })
}

fn spread(arg: &Arg<'_, '_>) -> Option<Spread> {
    arg.thing("made by spread(\"label\")", |thing| match thing {
        Thing::Spread(spread) => Some(spread),
        _ => None,
    })
}

fn company(arg: &Arg<'_, '_>) -> Option<Company> {
    if arg.value().unpack_str().is_some() {
        return arg.name().map(|service| Company { service, label: Company::same_node() });
    }
    arg.thing("the name of a service, or made by near(\"service\", \"label\")", |thing| match thing {
        Thing::Company(company) => Some(company),
        _ => None,
    })
}
