use icefield_placement::ReplicaId;
use icefield_spec::template::TemplateError;
use icefield_spec::{InvalidReference, Name};

use crate::Target;

/// Why a cluster cannot be written in a target's form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The target cannot express what a service is.
    #[error(
        "service {service} is of the kind {kind}, which the target {target} cannot express; the target {instead} can"
    )]
    Unsupported {
        /// The service.
        service: Name,
        /// Its kind.
        kind: &'static str,
        /// The target.
        target: Target,
        /// A target that can.
        instead: Target,
    },
    /// What is in a file is not known before its replica runs.
    #[error(
        "the file {file:?} of service {service} tells where {peer} is, which changes while it runs, and the target {target} has \
         nobody who makes it anew; have the program read {peer}.json in $ICEFIELD_ENDPOINTS (uses = [\"{peer}\"]), or ask DNS"
    )]
    Peers {
        /// The service.
        service: Name,
        /// The file.
        file: String,
        /// The service whose endpoints are in it.
        peer: Name,
        /// The target.
        target: Target,
    },
    /// A file would hold the value of a secret, which nobody is asked for.
    #[error(
        "the file {file:?} of service {service} is a template with the secret {secret} in it, and values of secrets are in nothing \
         that is written; give the program the secret as a file of its own (content = secret(\"{secret}\"))"
    )]
    SecretInTemplate {
        /// The service.
        service: Name,
        /// The file.
        file: String,
        /// The secret.
        secret: Name,
    },
    /// A service of this kind cannot be given a file.
    #[error("service {service} of the kind {kind} cannot be given the file {file:?}: write it into its modules")]
    File {
        /// The service.
        service: Name,
        /// The file.
        file: String,
        /// The service's kind.
        kind: &'static str,
    },
    /// A file cannot be made.
    #[error("the file {file:?} of service {service}: {source}")]
    Template {
        /// The service.
        service: Name,
        /// The file.
        file: String,
        /// What is wrong with its template.
        source: TemplateError,
    },
    /// The target cannot give a service of this kind secrets.
    #[error(
        "service {service} of the kind {kind} has secrets in env, which only a program or a container can be given"
    )]
    Secrets {
        /// The service.
        service: Name,
        /// Its kind.
        kind: &'static str,
    },
    /// A text refers to a variable that its replica does not have, or is malformed.
    #[error("{place} of service {service}: {source}")]
    Reference {
        /// The service.
        service: Name,
        /// What of it.
        place: String,
        /// What is wrong.
        source: InvalidReference,
    },
    /// A text holds a character that the place it must stand in cannot hold.
    #[error("{place} holds the character {character:?}, which {holder} cannot hold; remove it")]
    Character {
        /// Whose text it is.
        place: String,
        /// The character.
        character: char,
        /// What cannot hold it.
        holder: &'static str,
    },
    /// A service that needs a command has none.
    #[error("service {service} has no command; name the program and its arguments")]
    NoCommand {
        /// The service.
        service: Name,
    },
    /// A program cannot be started by its name.
    #[error("service {service} cannot be started: its program {program:?} {reason}")]
    Program {
        /// The service.
        service: Name,
        /// The program.
        program: String,
        /// Why it cannot, and what to write instead.
        reason: &'static str,
    },
    /// A package is neither an attribute path nor a flake reference.
    #[error("service {service}: {package:?} is not a package: {reason}")]
    Package {
        /// The service.
        service: Name,
        /// The package.
        package: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A base starts from a flake that is found only from where it is declared.
    #[error(
        "base {base}: the flake {flake:?} is beside the declaration and cannot be found from elsewhere; write its URL or its \
         whole path"
    )]
    Flake {
        /// The base.
        base: Name,
        /// Its flake.
        flake: String,
    },
    /// A NixOS option cannot be set by its path.
    #[error("base {base}: {option:?} is not a NixOS option; write what belongs to a module itself as a module")]
    Option {
        /// The base.
        base: Name,
        /// The path.
        option: String,
    },
    /// A number is larger than Nix has them.
    #[error("base {base}: {number} in option {option:?} is larger than integers of Nix can be")]
    Number {
        /// The base.
        base: Name,
        /// The option.
        option: String,
        /// The number.
        number: String,
    },
    /// A plan has a replica without the unit that it is of.
    #[error("the plan of node {node} has the replica {replica} and no unit of its revision; compile the plan again")]
    NoUnit {
        /// The node.
        node: Name,
        /// The replica.
        replica: ReplicaId,
    },
    /// A plan speaks of a base that the spec does not have.
    #[error("node {node} is built from the base {base}, which is not declared")]
    NoBase {
        /// The node.
        node: Name,
        /// The base.
        base: Name,
    },
}
