//! What service() and job() say alike of when something runs, and before what else.

use icefield_spec::{Dependency, Name, Service};

use crate::arg::Arg;
use crate::call::Call;
use crate::docs::{ParameterDoc, optional};
use crate::thing::Thing;

pub(super) const PRIORITY: ParameterDoc = optional(
    "priority",
    "10",
    "0",
    "Where there is no room for all, what has lower priority gives way; from -1000 to 1000.",
);
pub(super) const NAMESPACE: ParameterDoc =
    optional("namespace", "\"team-a\"", "None", "The namespace that it belongs to, declared by namespace().");
pub(super) const AFTER: ParameterDoc = optional(
    "after",
    "[\"db\", job(\"migrate\")]",
    "[]",
    "Services and jobs that must be done before it starts, and before each rollout or run goes on.",
);

pub(super) fn priority(call: &mut Call<'_, '_>) -> i32 {
    let (least, most) = Service::PRIORITIES.into_inner();
    call.field_or("priority", 0, |arg| arg.whole(least.into(), most.into()))
}

pub(super) fn namespace(call: &mut Call<'_, '_>) -> Option<Name> {
    call.field("namespace", |arg| arg.name())
}

pub(super) fn after(call: &mut Call<'_, '_>) -> Vec<Dependency> {
    call.field_or("after", Vec::new(), |arg| arg.items(dependency))
}

/// An item of `after =`: the name of a service, or a job.
fn dependency(arg: &Arg<'_, '_>) -> Option<Dependency> {
    if let Some(text) = arg.value().unpack_str() {
        let name = text.strip_prefix("job:");
        return match name {
            Some(name) => arg.as_name(name).map(Dependency::Job),
            None => arg.name().map(Dependency::Service),
        };
    }
    arg.thing("the name of a service, or job(\"name\")", |thing| match thing {
        Thing::Dependency(dependency) => Some(dependency),
        _ => None,
    })
}
