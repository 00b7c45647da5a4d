use icefield_spec::Port;

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, first};
use crate::thing::Thing;

pub(crate) static DYNAMIC: Function = Function {
    doc: FunctionDoc {
        name: "dynamic",
        summary: "A port that the cluster chooses; every replica has its own.",
        parameters: &[],
        example: "ports = {\"http\": dynamic()}",
    },
    call: |_| Outcome::Thing(Thing::Port(Port::Dynamic)),
};

pub(crate) static FIXED: Function = Function {
    doc: FunctionDoc {
        name: "fixed",
        summary: "This very port, so at most one replica a node. A bare number means the same.",
        parameters: &[first("port", "8080", "The port, from 1 to 65535.")],
        example: "ports = {\"http\": fixed(8080)}",
    },
    call: |call| {
        let port = call.field("port", number);
        Outcome::made(port.map(|port| Thing::Port(Port::Fixed(port))))
    },
};

fn number(arg: &Arg<'_, '_>) -> Option<u16> {
    arg.whole(1, i64::from(u16::MAX))
}

/// A value of `ports =` of a service.
pub(super) fn port(arg: &Arg<'_, '_>) -> Option<Port> {
    if arg.value().get_type() == "int" {
        return number(arg).map(Port::Fixed);
    }
    arg.thing("dynamic() or a number", |thing| match thing {
        Thing::Port(port) => Some(port),
        _ => None,
    })
}
