use icefield_spec::{Closures, NixFile, NixSource, NixText, Run};
use starlark::values::Value;
use starlark::values::list::ListRef;

use super::module::nix_module;
use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, first, optional, optional_first};
use crate::thing::{NixCode, Thing};
use crate::value::Made;

pub(crate) static EXEC: Function = Function {
    doc: FunctionDoc {
        name: "exec",
        summary: "Runs a program that the node has. Arguments may refer to the replica's variables: $PORT_HTTP is its \
                  port \"http\", $ICEFIELD_INDEX its number; $$ is the character itself.",
        parameters: &[first("command", "[\"python3\", \"-m\", \"http.server\"]", "The program and its arguments.")],
        example: "exec([\"python3\", \"-m\", \"http.server\", \"$PORT_HTTP\"])",
    },
    call: |call| {
        let command = call.field("command", command);
        Outcome::made(command.map(|command| Thing::Run(Run::Exec { command })))
    },
};

pub(crate) static NIX: Function = Function {
    doc: FunctionDoc {
        name: "nix",
        summary: "Runs a program that Nix builds, from its closure.",
        parameters: &[
            first(
                "package",
                "\".#web\"",
                "An attribute path of nixpkgs (\"redis\"), a flake reference (\"github:o/r#name\", \".#web\"), nix_file() or \
                 nix_text().",
            ),
            first("command", "[\"redis-server\"]", "The program within the package and its arguments."),
        ],
        example: "nix(\"redis\", [\"redis-server\", \"--port\", \"$PORT_REDIS\"])",
    },
    call: |call| {
        let (package, command) = (call.field("package", package), call.field("command", command));
        let closures = Closures::new();
        Outcome::made(
            package.zip(command).map(|(package, command)| Thing::Run(Run::Nix { package, command, closures })),
        )
    },
};

pub(crate) static NIXOS: Function = Function {
    doc: FunctionDoc {
        name: "nixos",
        summary: "NixOS modules as a service: what they configure is on each node that has a replica; at most one a node.",
        parameters: &[
            first("modules", "[nix_file(\"web.nix\")]", "The modules, from nix_file() or nix_text()."),
            optional("nixpkgs", "\"github:NixOS/nixpkgs/nixos-26.05\"", "None", "Where nixpkgs is taken from."),
        ],
        example: "nixos([nix_text(\"nginx\", \"{ services.nginx.enable = true; }\")])",
    },
    call: |call| {
        let modules = call.field("modules", |arg| arg.items(nix_module));
        let nixpkgs = call.field("nixpkgs", |arg| arg.text());
        let closures = Closures::new();
        Outcome::made(modules.map(|modules| Thing::Run(Run::Nixos { modules, nixpkgs, closures })))
    },
};

pub(crate) static CONTAINER: Function = Function {
    doc: FunctionDoc {
        name: "container",
        summary: "Runs a container image.",
        parameters: &[
            first("image", "\"docker.io/library/nginx:1.29\"", "The image with its tag or digest."),
            optional_first("command", "[\"nginx\"]", "[]", "The command, where it is not the image's own."),
        ],
        example: "container(\"docker.io/library/nginx:1.29\")",
    },
    call: |call| {
        let image = call.field("image", |arg| arg.text());
        let given = call.field_or("command", Vec::new(), command);
        let whole = !call.broken.contains(&"command");
        let made = image.filter(|_| whole).map(|image| Thing::Run(Run::Container { image, command: given }));
        Outcome::made(made)
    },
};

pub(crate) static MICROVM: Function = Function {
    doc: FunctionDoc {
        name: "microvm",
        summary: "Runs a NixOS virtual machine of its own.",
        parameters: &[first("modules", "[nix_file(\"guest.nix\")]", "The modules that make the guest.")],
        example: "microvm([nix_file(\"guest.nix\")])",
    },
    call: |call| {
        let modules = call.field("modules", |arg| arg.items(nix_module));
        Outcome::made(modules.map(|modules| Thing::Run(Run::Microvm { modules })))
    },
};

/// What a program is built from.
fn package(arg: &Arg<'_, '_>) -> Option<NixSource> {
    if Made::from_value(arg.value()).is_none() && arg.value().unpack_str().is_some() {
        return arg.text().map(NixSource::Reference);
    }
    let wanted = "text, nix_file(\"…\") or nix_text(\"name\", \"…\")";
    let code = arg.thing(wanted, |thing| match thing {
        Thing::Code(code) => Some(code),
        _ => None,
    })?;
    let NixCode { module, path, attribute } = code;
    Some(match path {
        Some(file) => NixSource::File(NixFile { file, attribute }),
        None => NixSource::Text(NixText { name: module.name, text: module.text, attribute }),
    })
}

/// A program and its arguments.
pub(super) fn command(arg: &Arg<'_, '_>) -> Option<Vec<String>> {
    if arg.value().unpack_str().is_some()
        && let Some(words) = words(arg.value())
    {
        let help = format!("write {}; there is no shell that would split it", bracketed(&words));
        return arg.refuse("a command is a list: the program and its arguments", help);
    }
    arg.items(|item| item.text())
}

/// The words of a command that is written as one text, or as a list where it must be more than a list.
pub(super) fn words(value: Value<'_>) -> Option<Vec<String>> {
    if let Some(text) = value.unpack_str() {
        return Some(text.split_whitespace().map(str::to_owned).collect());
    }
    let list = ListRef::from_value(value)?.content();
    let words: Option<Vec<String>> = list.iter().map(|word| word.unpack_str().map(str::to_owned)).collect();
    words.filter(|words| !words.is_empty())
}

/// How `words` are written as a list.
pub(super) fn bracketed(words: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut quoted: Vec<String> = words.iter().take(SHOWN).map(|word| format!("{word:?}")).collect();
    if words.len() > SHOWN {
        quoted.push("…".into());
    }
    format!("[{}]", quoted.join(", "))
}
