//! Where the secrets of a service are on a node. A target only ever names the place: the values are nowhere in what is written.

use icefield_spec::{Name, Run, Unit};

use crate::EmitError;

/// The file with the variables of a service that are secrets, a line `NAME=value` each; who brings the units to a node sees
/// to it.
pub(crate) fn environment_file(service: &Name) -> String {
    format!("/run/icefield/secrets/{service}.env")
}

/// Checks that a service can be given the secrets that it has as variables.
pub(crate) fn check(service: &Name, unit: &Unit) -> Result<(), EmitError> {
    match &unit.run {
        Run::Nixos { .. } | Run::Microvm { .. } if !unit.secret_env.is_empty() => {
            Err(EmitError::Secrets { service: service.clone(), kind: unit.run.kind() })
        }
        _ => Ok(()),
    }
}
