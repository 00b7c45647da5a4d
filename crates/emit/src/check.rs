use std::collections::BTreeSet;

use icefield_plan::NodePlan;
use icefield_spec::{InvalidReference, Name, Piece, Run, Unit, pieces};

use crate::EmitError;

const PROCESS: &str = "the environment or command line of a process";
const SYSTEMD: &str = "the environment of a systemd unit";

/// Checks what no target could express: references to nothing, characters that no process can be given, a command that
/// is none. A spec that was validated has few of these; a plan may come from anywhere.
pub(crate) fn unit(service: &Name, unit: &Unit) -> Result<(), EmitError> {
    let mut known: BTreeSet<String> = unit.given_variables().into_iter().chain(unit.told_variables()).collect();
    // A container's variables are arguments and a NixOS module's are values; the others are in systemd's hands.
    let in_systemd = matches!(unit.run, Run::Exec { .. } | Run::Nix { .. } | Run::Microvm { .. });
    for (variable, value) in &unit.env {
        let place = || format!("variable {variable}");
        text(service, value, &known, &place)?;
        if let Some(character) = value.chars().find(|c| in_systemd && is_refused_by_systemd(*c)) {
            return Err(EmitError::Character {
                place: format!("{} of service {service}", place()),
                character,
                holder: SYSTEMD,
            });
        }
    }
    known.extend(unit.env.keys().cloned());
    for (at, argument) in unit.run.command().iter().enumerate() {
        text(service, argument, &known, &|| if at == 0 { "the program".into() } else { format!("argument {at}") })?;
    }
    match &unit.run {
        Run::Exec { command } | Run::Nix { command, .. } => {
            let program = command.first().ok_or_else(|| EmitError::NoCommand { service: service.clone() })?;
            program_name(service, program)
        }
        Run::Container { image, .. } => {
            let refused = image.chars().find(|c| c.is_control() || c.is_whitespace());
            match refused {
                Some(character) => Err(EmitError::Character {
                    place: format!("the image of service {service}"),
                    character,
                    holder: "the name of an image",
                }),
                None => Ok(()),
            }
        }
        Run::Nixos { .. } | Run::Microvm { .. } => Ok(()),
    }
}

/// Checks that a node's address can stand in the environment of its replicas.
pub(crate) fn address(plan: &NodePlan) -> Result<(), EmitError> {
    match plan.address.chars().find(|c| c.is_control()) {
        Some(character) => Err(EmitError::Character {
            place: format!("the address of node {}", plan.node),
            character,
            holder: SYSTEMD,
        }),
        None => Ok(()),
    }
}

fn text(service: &Name, text: &str, known: &BTreeSet<String>, place: &dyn Fn() -> String) -> Result<(), EmitError> {
    let fail = |source| EmitError::Reference { service: service.clone(), place: place(), source };
    if text.contains('\0') {
        let place = format!("{} of service {service}", place());
        return Err(EmitError::Character { place, character: '\0', holder: PROCESS });
    }
    for piece in pieces(text).map_err(fail)? {
        if let Piece::Variable(name) = piece
            && !known.contains(name)
        {
            return Err(fail(InvalidReference::Unknown(name.to_owned())));
        }
    }
    Ok(())
}

/// `env`, by which programs are found, would take some names for something else.
fn program_name(service: &Name, program: &str) -> Result<(), EmitError> {
    let reason = if program.is_empty() {
        "is empty"
    } else if program.starts_with('-') {
        "starts with \"-\"; write its whole path"
    } else if program.contains('=') && !program.starts_with('/') {
        "holds a \"=\"; write its whole path"
    } else {
        return Ok(());
    };
    Err(EmitError::Program { service: service.clone(), program: program.to_owned(), reason })
}

/// systemd ignores a variable whose value holds such a character.
fn is_refused_by_systemd(character: char) -> bool {
    character.is_ascii_control() && character != '\t' && character != '\n'
}
