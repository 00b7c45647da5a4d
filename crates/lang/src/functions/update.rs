use icefield_spec::Update;

use super::{Function, Outcome};
use crate::docs::{FunctionDoc, optional};
use crate::thing::Thing;

pub(crate) static ROLLING: Function = Function {
    doc: FunctionDoc {
        name: "rolling",
        summary: "Updates a few replicas at a time; each must prove itself before the next.",
        parameters: &[
            optional("max_unavailable", "1", "1", "How many replicas may be down at once by the update's doing."),
            optional("healthy_for", "\"5s\"", "\"1s\"", "How long a new replica must be healthy before it counts."),
            optional("deadline", "\"2m\"", "\"1m\"", "How long one step may take before the update has failed."),
            optional("rollback", "True", "True", "Whether a failed update goes back to the revision before."),
        ],
        example: "update = rolling(max_unavailable = 1, healthy_for = \"5s\")",
    },
    call: |call| {
        let Update::Rolling { max_unavailable, healthy_for, deadline, rollback } = Update::default();
        let update = Update::Rolling {
            max_unavailable: call.field_or("max_unavailable", max_unavailable, |arg| arg.whole(1, i64::from(u32::MAX))),
            healthy_for: call.field_or("healthy_for", healthy_for, |arg| arg.millis()),
            deadline: call.field_or("deadline", deadline, |arg| arg.millis()),
            rollback: call.field_or("rollback", rollback, |arg| arg.flag()),
        };
        Outcome::made(call.broken.is_empty().then_some(Thing::Update(update)))
    },
};
