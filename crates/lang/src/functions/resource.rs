use std::collections::BTreeMap;

use icefield_spec::{Amount, Reserve};

use crate::arg::Arg;

/// Amounts of resources by name.
pub(super) fn resources(arg: &Arg<'_, '_>) -> Option<BTreeMap<String, Amount>> {
    Some(arg.entries(|_, value| value.amount())?.into_iter().collect())
}

/// What is kept free of a node: CPU and memory among the other resources.
pub(super) fn reserve(arg: &Arg<'_, '_>) -> Option<Reserve> {
    let parts = arg.entries(|resource, value| match resource {
        "cpu" => value.cpu().map(|cpu| Reserve { cpu, ..Reserve::default() }),
        "memory" => value.bytes().map(|memory| Reserve { memory, ..Reserve::default() }),
        _ => value
            .amount()
            .map(|amount| Reserve { resources: BTreeMap::from([(resource.to_owned(), amount)]), ..Reserve::default() }),
    })?;
    let mut whole = Reserve::default();
    for (resource, part) in parts {
        match resource.as_str() {
            "cpu" => whole.cpu = part.cpu,
            "memory" => whole.memory = part.memory,
            _ => whole.resources.extend(part.resources),
        }
    }
    Some(whole)
}
