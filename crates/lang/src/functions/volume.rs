use std::collections::BTreeMap;

use icefield_spec::{Name, Volume};

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, optional};
use crate::thing::Thing;

pub(crate) static VOLUME: Function = Function {
    doc: FunctionDoc {
        name: "volume",
        summary: "A folder that outlives the replica and ties it to the node that it was first on. A size alone means \
                  the same.",
        parameters: &[optional(
            "size",
            "\"10GiB\"",
            "None",
            "How much of the node's resource \"disk\" it takes; where no node declares that, none is asked for.",
        )],
        example: "volumes = {\"data\": volume(size = \"10GiB\")}",
    },
    call: |call| {
        let size = call.field("size", |arg| arg.size());
        Outcome::made(call.broken.is_empty().then_some(Thing::Volume(Volume { size })))
    },
};

/// The value of `volumes =` of a service.
pub(super) fn volumes(arg: &Arg<'_, '_>) -> Option<BTreeMap<Name, Volume>> {
    let entries = arg.entries(|key, value| {
        let name = value.key(key).as_name(key);
        name.zip(volume(value))
    })?;
    Some(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn volume(arg: &Arg<'_, '_>) -> Option<Volume> {
    if arg.value().unpack_str().is_some() || arg.value().get_type() == "int" {
        return Some(Volume { size: Some(arg.size()?) });
    }
    arg.thing("volume() or a size like \"10GiB\"", |thing| match thing {
        Thing::Volume(volume) => Some(volume),
        _ => None,
    })
}
