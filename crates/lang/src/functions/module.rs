use icefield_spec::NixModule;

use super::{Function, Outcome};
use crate::arg::Arg;
use crate::call::Call;
use crate::docs::{FunctionDoc, first, optional};
use crate::loader::{check_text, resolve};
use crate::thing::{NixCode, Thing};

pub(crate) static NIX_FILE: Function = Function {
    doc: FunctionDoc {
        name: "nix_file",
        summary: "A file in Nix: a NixOS module, or what nix() builds a program from.",
        parameters: &[
            first("path", "\"base.nix\"", "The file, relative to the file that calls this."),
            optional("attribute", "\"web\"", "None", "For nix(): which attribute of it is the package."),
        ],
        example: "nix_file(\"base.nix\")",
    },
    call: |call| {
        let read = read_file(call);
        let attribute = call.field_or("attribute", String::new(), |arg| arg.text());
        let code = read.map(|FileText { path, name, text }| {
            Thing::Code(NixCode { module: NixModule { name, text }, path: Some(path), attribute })
        });
        Outcome::made(code)
    },
};

pub(crate) static NIX_TEXT: Function = Function {
    doc: FunctionDoc {
        name: "nix_text",
        summary: "A NixOS module, or what nix() builds a program from, written right here.",
        parameters: &[
            first("name", "\"motd\"", "What to call it."),
            first("text", "\"{ … }\"", "The module, or the expression, in Nix."),
            optional("attribute", "\"web\"", "None", "For nix(): which attribute of it is the package."),
        ],
        example: "nix_text(\"motd\", \"{ users.motd = \\\"hello\\\"; }\")",
    },
    call: |call| {
        let (name, text) = (call.field("name", |arg| arg.text()), call.field("text", |arg| arg.text()));
        let attribute = call.field_or("attribute", String::new(), |arg| arg.text());
        let code = name
            .zip(text)
            .map(|(name, text)| Thing::Code(NixCode { module: NixModule { name, text }, path: None, attribute }));
        Outcome::made(code)
    },
};

/// A file that was read.
pub(super) struct FileText {
    /// Its path, relative to the root file's folder.
    pub(super) path: String,
    /// The last part of that.
    pub(super) name: String,
    pub(super) text: String,
}

/// The file at `path`.
pub(super) fn read_file(call: &mut Call<'_, '_>) -> Option<FileText> {
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
                Some(FileText { path: resolved, name, text })
            }
            Err(error) => arg.refuse(format!("cannot read {path:?}: {error}"), error.help().map(str::to_owned)),
        }
    })
}

/// An item of a list of modules.
pub(super) fn nix_module(arg: &Arg<'_, '_>) -> Option<NixModule> {
    let code = arg.thing("a module: nix_file(\"…\") or nix_text(\"name\", \"…\")", |thing| match thing {
        Thing::Code(code) => Some(code),
        _ => None,
    })?;
    if code.attribute.is_empty() {
        return Some(code.module);
    }
    arg.refuse("a module is the whole file, and this names an attribute of it", "leave out attribute".to_owned())
}
