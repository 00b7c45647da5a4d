use super::{Function, Outcome};
use crate::docs::{FunctionDoc, first};

pub(crate) static CLUSTER: Function = Function {
    doc: FunctionDoc {
        name: "cluster",
        summary: "Names the cluster. Every file calls it once.",
        parameters: &[first("name", "\"shop\"", "The cluster's name: a-z, 0-9 and '-'.")],
        example: "cluster(\"shop\")",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        call.session.declarations.borrow_mut().name_cluster(call, name);
        Outcome::Nothing
    },
};
