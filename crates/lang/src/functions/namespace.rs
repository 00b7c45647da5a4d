use std::collections::BTreeMap;

use icefield_spec::Quota;

use super::resource::resources;
use super::{Function, Outcome};
use crate::declarations::Declared;
use crate::docs::{FunctionDoc, first, optional};

pub(crate) static NAMESPACE: Function = Function {
    doc: FunctionDoc {
        name: "namespace",
        summary: "Declares a namespace, and the most that its services may have together. What is not given has no \
                  limit.",
        parameters: &[
            first("name", "\"team-a\"", "Its name: a-z, 0-9 and '-'."),
            optional("replicas", "100", "None", "How many replicas."),
            optional("cpu", "20", "None", "CPU: cores, or \"500m\"."),
            optional("memory", "\"40GiB\"", "None", "Memory."),
            optional("resources", "{\"gpu\": 2}", "{}", "Other resources that nodes declare."),
        ],
        example: "namespace(\"team-a\", replicas = 100, cpu = 20, memory = \"40GiB\")",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        let quota = Quota {
            replicas: call.field("replicas", |arg| arg.whole(0, i64::from(u32::MAX))),
            cpu: call.field("cpu", |arg| arg.cpu()),
            memory: call.field("memory", |arg| arg.bytes()),
            resources: call.field_or("resources", BTreeMap::new(), resources),
        };
        call.session.declarations.borrow_mut().insert(call, name, Declared::Namespace(quota));
        Outcome::Nothing
    },
};
