use std::collections::BTreeSet;

use icefield_spec::{Amount, Balance, Policy, SoftReserve};

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, first, optional};
use crate::thing::Thing;

pub(crate) static PLACEMENT: Function = Function {
    doc: FunctionDoc {
        name: "placement",
        summary: "What holds for the placement of all services. A cluster has at most one.",
        parameters: &[
            optional(
                "transient",
                "[\"disk\"]",
                "[]",
                "Resources that a replica needs on both nodes while it moves from one to the other.",
            ),
            optional(
                "balance",
                "[balance(\"cpu\", \"memory\", \"2GiB\")]",
                "[]",
                "Soft: what should be free together on a node.",
            ),
            optional(
                "soft_reserve",
                "{\"memory\": 3}",
                "{}",
                "Resources of which replicas may use what nodes keep in reserve, with what each core, GiB or piece of \
                 that costs, from 0 to 10000.",
            ),
        ],
        example: "placement(transient = [\"disk\"], soft_reserve = {\"memory\": 3})",
    },
    call: |call| {
        let transient = call.field_or("transient", Vec::new(), |arg| arg.items(|item| item.text()));
        let policy = Policy {
            transient: BTreeSet::from_iter(transient),
            balance: call.field_or("balance", Vec::new(), |arg| arg.items(balance)),
            soft_reserve: call.field_or("soft_reserve", Vec::new(), soft_reserve),
        };
        call.session.declarations.borrow_mut().set_policy(call, policy);
        Outcome::Nothing
    },
};

pub(crate) static BALANCE: Function = Function {
    doc: FunctionDoc {
        name: "balance",
        summary: "A soft rule for placement(): what is free of one resource on a node is worth little unless enough of \
                  another is free there too.",
        parameters: &[
            first("resource", "\"cpu\"", "The resource that is worth little alone."),
            first("needs", "\"memory\"", "The resource that must go with it."),
            first("amount", "\"2GiB\"", "How much of that should be free for each core, GiB or piece of the first."),
            optional(
                "weight",
                "5",
                "1",
                "What each core, GiB or piece of the first costs that is free with nothing of the other, from 0 to 10000.",
            ),
        ],
        example: "placement(balance = [balance(\"cpu\", \"memory\", \"2GiB\", weight = 5)])",
    },
    call: |call| {
        let (resource, with) = (call.field("resource", |arg| arg.text()), call.field("needs", |arg| arg.text()));
        let amount = call.field("amount", |arg| match with.as_deref() {
            Some("cpu") => arg.cpu().map(|cpu| Amount::Count(cpu.millis())),
            Some("memory") => arg.bytes().map(Amount::Bytes),
            _ => arg.amount(),
        });
        let weight = call.field_or("weight", 1, weight);
        let parts = resource.zip(with).zip(amount).filter(|_| call.broken.is_empty());
        Outcome::made(
            parts.map(|((resource, with), amount)| Thing::Balance(Balance { resource, with, amount, weight })),
        )
    },
};

fn weight(arg: &Arg<'_, '_>) -> Option<u32> {
    arg.whole(0, i64::from(Policy::MAX_WEIGHT))
}

fn balance(arg: &Arg<'_, '_>) -> Option<Balance> {
    arg.thing("made by balance(\"cpu\", \"memory\", \"2GiB\")", |thing| match thing {
        Thing::Balance(balance) => Some(balance),
        _ => None,
    })
}

fn soft_reserve(arg: &Arg<'_, '_>) -> Option<Vec<SoftReserve>> {
    let entries = arg.entries(|_, value| weight(value))?;
    Some(entries.into_iter().map(|(resource, weight)| SoftReserve { resource, weight }).collect())
}
