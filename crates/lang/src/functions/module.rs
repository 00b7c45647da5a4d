use icefield_spec::NixModule;

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::docs::{FunctionDoc, first};
use crate::loader::{check_text, resolve};
use crate::thing::Thing;

pub(crate) static NIX_FILE: Function = Function {
    doc: FunctionDoc {
        name: "nix_file",
        summary: "A NixOS module from a file.",
        parameters: &[first("path", "\"base.nix\"", "The file, relative to the file that calls this.")],
        example: "nix_file(\"base.nix\")",
    },
    call: |call| {
        let module = read_file(call).map(|(name, text)| NixModule { name, text });
        Outcome::made(module.map(Thing::Module))
    },
};

pub(crate) static NIX_TEXT: Function = Function {
    doc: FunctionDoc {
        name: "nix_text",
        summary: "A NixOS module written right here.",
        parameters: &[first("name", "\"motd\"", "What to call it."), first("text", "\"{ … }\"", "The module in Nix.")],
        example: "nix_text(\"motd\", \"{ users.motd = \\\"hello\\\"; }\")",
    },
    call: |call| {
        let (name, text) = (call.field("name", |arg| arg.text()), call.field("text", |arg| arg.text()));
        Outcome::made(name.zip(text).map(|(name, text)| Thing::Module(NixModule { name, text })))
    },
};

/// The name and the text of the file at `path`.
pub(super) fn read_file(call: &mut Call<'_, '_>) -> Option<(String, String)> {
    let (session, from) = (call.session, call.site.call.filename().to_owned());
    call.field("path", |arg| {
        let path = arg.text()?;
        let resolved = resolve(&from, &path);
        let Ok(resolved) = resolved.map_err(|error| {
            let help = "name a file in the folder of the first file, or below it";
            arg.refuse::<()>(format!("cannot read {path:?}: {error}"), help.to_owned());
        }) else {
            return None;
        };
        session.note_file(&resolved);
        let text = session.loader.read(&resolved).and_then(|text| {
            check_text(&text, session.limits.source)?;
            Ok(text)
        });
        match text {
            Ok(text) => {
                let name = resolved.rsplit('/').next().unwrap_or(&resolved).to_owned();
                Some((name, text))
            }
            Err(error) => arg.refuse(format!("cannot read {path:?}: {error}"), error.help().map(str::to_owned)),
        }
    })
}

/// An item of a list of modules.
pub(super) fn nix_module(arg: &Arg<'_, '_>) -> Option<NixModule> {
    arg.thing("a module: nix_file(\"…\") or nix_text(\"name\", \"…\")", |thing| match thing {
        Thing::Module(module) => Some(module),
        _ => None,
    })
}
