use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use icefield_api::SecretValue;
use icefield_plan::ReplicaId;
use icefield_spec::{Name, Unit};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::home::Home;
use crate::shim::SecretVariables;

/// The variables of a replica that are secrets, and their values.
pub(crate) type Secret = (SecretVariables, BTreeMap<String, SecretText>);

pub(crate) fn secret_variables(
    home: &Home,
    id: &ReplicaId,
    unit: &Unit,
    values: &BTreeMap<Name, SecretValue>,
) -> Result<Option<Secret>, String> {
    if unit.secret_env.is_empty() {
        return Ok(None);
    }
    let value = |(variable, secret): (&String, &Name)| {
        let value = values.get(secret).and_then(SecretValue::text).ok_or_else(|| {
            format!("the secret {secret} is no text, so it cannot be a variable; give it to the program as a file")
        })?;
        Ok((variable.clone(), SecretText(Zeroizing::new(value.to_owned()))))
    };
    let variables = unit.secret_env.iter().map(value).collect::<Result<BTreeMap<_, _>, String>>()?;
    let file = home.private_of(id).join("variables.json");
    Ok(Some((SecretVariables { names: variables.keys().cloned().collect(), file }, variables)))
}

/// Writes variables into a file as systemd reads them.
pub(crate) fn write_environment(path: &Path, variables: &BTreeMap<String, SecretText>) -> io::Result<()> {
    let mut text = Zeroizing::new(String::new());
    for (name, value) in variables {
        text.push_str(name);
        text.push_str("=\"");
        for character in value.0.chars() {
            if matches!(character, '"' | '\\' | '$' | '`') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push_str("\"\n");
    }
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A text that is written and not shown.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct SecretText(Zeroizing<String>);
