use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::{Bytes, Cpu, Machine, Node, Pool, PortRange, Reserve};

use super::resource::{reserve, resources};
use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::declarations::Declared;
use crate::docs::{FunctionDoc, ParameterDoc, first, needed, optional};

const CPU: ParameterDoc = needed("cpu", "4", "The CPU that replicas may use together: cores, or \"500m\".");
const MEMORY: ParameterDoc = needed("memory", "\"8GiB\"", "The memory that replicas may use together.");
const RESOURCES: ParameterDoc = optional(
    "resources",
    "{\"gpu\": 4, \"disk\": \"1TiB\"}",
    "{}",
    "What else it has that replicas may need, by any name: a number, or bytes.",
);
const RESERVE: ParameterDoc = optional(
    "reserve",
    "{\"cpu\": \"500m\", \"memory\": \"512MiB\"}",
    "{}",
    "What is kept free of all that, by name: cpu, memory, or one of its resources.",
);
const TAINTS: ParameterDoc =
    optional("taints", "[\"gpu\"]", "[]", "Marks that keep away every service that does not tolerate them.");
const BASE: ParameterDoc = optional("base", "\"std\"", "None", "The base it is built from.");
const LABELS: ParameterDoc = optional(
    "labels",
    "{\"zone\": \"a\"}",
    "{}",
    "Free labels, for rules to speak of; \"node\" and \"pool\" are there by themselves.",
);
const PORTS: ParameterDoc =
    optional("ports", "\"20000-31999\"", "\"20000-31999\"", "Where dynamic ports are taken from, both ends included.");
const SYSTEM: ParameterDoc = optional("system", "\"aarch64-linux\"", "\"x86_64-linux\"", "The Nix system.");

pub(crate) static NODE: Function = Function {
    doc: FunctionDoc {
        name: "node",
        summary: "Declares one machine by name.",
        parameters: &[
            first("name", "\"metal-1\"", "Its name: a-z, 0-9 and '-'."),
            optional("address", "\"10.0.0.11\"", "None", "Its address or host name, where that is known beforehand."),
            CPU,
            MEMORY,
            RESOURCES,
            RESERVE,
            TAINTS,
            LABELS,
            BASE,
            PORTS,
            SYSTEM,
        ],
        example: "node(\"metal-1\", address = \"10.0.0.11\", cpu = 16, memory = \"64GiB\", labels = {\"zone\": \"a\"})",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        let address = call.field("address", address);
        let node = Node { address, machine: machine(call) };
        call.session.declarations.borrow_mut().insert(call, name, Declared::Node(node));
        Outcome::Nothing
    },
};

pub(crate) static POOL: Function = Function {
    doc: FunctionDoc {
        name: "pool",
        summary: "Declares machines that are alike, by number: pool \"workers\" has the nodes workers-1, workers-2, …",
        parameters: &[
            first("name", "\"workers\"", "Its name, which its nodes' names start with."),
            needed("count", "20", "How many machines."),
            CPU,
            MEMORY,
            RESOURCES,
            RESERVE,
            TAINTS,
            LABELS,
            BASE,
            PORTS,
            SYSTEM,
        ],
        example: "pool(\"workers\", count = 20, cpu = 4, memory = \"8GiB\", labels = {\"zone\": \"b\"})",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        let count = call.field_or("count", 1, |arg| arg.whole(0, i64::from(u32::MAX)));
        let pool = Pool { count, machine: machine(call) };
        call.session.declarations.borrow_mut().insert(call, name, Declared::Pool(pool));
        Outcome::Nothing
    },
};

fn machine(call: &mut Call<'_, '_>) -> Machine {
    let cpu = call.field_or("cpu", Cpu::from_millis(1000), |arg| arg.cpu());
    let memory = call.field_or("memory", Bytes::new(1 << 30), |arg| arg.bytes());
    let taints = call.field_or("taints", Vec::new(), |arg| arg.items(|item| item.text()));
    Machine {
        resources: call.field_or("resources", BTreeMap::new(), resources),
        reserve: call.field_or("reserve", Reserve::default(), reserve),
        taints: BTreeSet::from_iter(taints),
        labels: call.field_or("labels", Vec::new(), |arg| arg.entries(|_, value| value.text())).into_iter().collect(),
        base: call.field("base", |arg| arg.name()),
        ports: call.field_or("ports", PortRange::default(), ports),
        system: call.field_or("system", Machine::DEFAULT_SYSTEM.to_owned(), |arg| arg.text()),
        ..Machine::new(cpu, memory)
    }
}

fn ports(arg: &Arg<'_, '_>) -> Option<PortRange> {
    if arg.value().get_type() == "int" {
        let help = "write the first and the last port in quotes: \"20000-31999\"";
        return arg.refuse("a range of ports has two ends", help.to_owned());
    }
    arg.text()?.parse().map_err(|error: String| arg.refuse::<()>(error, None)).ok()
}

fn address(arg: &Arg<'_, '_>) -> Option<String> {
    let text = arg.text()?;
    // An IPv6 address may stand in brackets; a port or a scheme belongs to no machine.
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]%".contains(&b));
    let host_and_port = text.matches(':').count() == 1;
    if !good || host_and_port {
        let help = "write the address or host name alone, like \"10.0.0.11\" or \"db1.example.org\"";
        return arg.refuse(format!("{text:?} is not an address"), help.to_owned());
    }
    Some(text)
}
