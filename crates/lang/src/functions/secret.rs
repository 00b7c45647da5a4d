use std::collections::BTreeMap;

use icefield_spec::Name;

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, first};
use crate::thing::Thing;
use crate::value::Made;

pub(crate) static SECRET: Function = Function {
    doc: FunctionDoc {
        name: "secret",
        summary: "A value that is not in the file: what `icefield secret set` gave the cluster under this name. For a \
                  variable in env, or the content of a file.",
        parameters: &[first("name", "\"db-password\"", "The secret's name, in the namespace of the service.")],
        example: "env = {\"DB_PASSWORD\": secret(\"db-password\")}",
    },
    call: |call| {
        let name = call.field("name", |arg| arg.name());
        Outcome::made(name.map(Thing::Secret))
    },
};

/// The values of `env =` of a service: texts, and secrets.
pub(super) type Env = (BTreeMap<String, String>, BTreeMap<String, Name>);

pub(super) fn env(arg: &Arg<'_, '_>) -> Option<Env> {
    let (mut texts, mut secrets) = Env::default();
    let entries = arg.entries(|_, value| match Made::from_value(value.value()) {
        Some(_) => value.thing("text or secret()", secret).map(Err),
        None => value.text().map(Ok),
    })?;
    for (name, value) in entries {
        match value {
            Ok(text) => drop(texts.insert(name, text)),
            Err(secret) => drop(secrets.insert(name, secret)),
        }
    }
    Some((texts, secrets))
}

/// The name of a secret.
pub(super) fn secret(thing: Thing) -> Option<Name> {
    match thing {
        Thing::Secret(name) => Some(name),
        _ => None,
    }
}
