use std::collections::BTreeMap;

use icefield_spec::{ConfigFile, FileContent, FileMode, Reload, ReloadSignal};

use super::module::{FileText, read_file};
use super::{Function, Outcome};
use crate::arg::Arg;
use crate::docs::{FunctionDoc, first, needed, optional};
use crate::thing::Thing;
use crate::value::Made;

pub(crate) static FILE: Function = Function {
    doc: FunctionDoc {
        name: "file",
        summary: "A file that each replica gets. Its path is within a folder of the replica, and told to the program: \
                  $FILE_APP_TOML is \"app.toml\". A container gets it at its whole path (\"/etc/app.toml\").",
        parameters: &[
            first("path", "\"app.toml\"", "Its path."),
            needed("content", "\"text\"", "What is in it: text, template() or secret()."),
            optional(
                "mode",
                "\"0644\"",
                "None",
                "Who may read it, in octal; \"0644\" if not given, \"0400\" with a secret in it.",
            ),
            optional(
                "reload",
                "signal(\"HUP\")",
                "None",
                "What is done with a running replica when the content changes: signal(), restart(), or nothing.",
            ),
        ],
        example: "files = [file(\"app.toml\", content = template(\"port = {{ ports.http }}\\n\"))]",
    },
    call: |call| {
        let path = call.field("path", |arg| arg.text());
        let content = call.field("content", content);
        let mode = call.field("mode", |arg| {
            let parsed = arg.text()?.parse::<FileMode>();
            parsed.map_err(|error| arg.refuse::<()>(error.to_string(), None)).ok()
        });
        let reload = call.field("reload", reload);
        let whole = call.broken.is_empty();
        let file = path.zip(content).filter(|_| whole).map(|(path, content)| {
            let mut file = ConfigFile { content, mode: FileMode::DEFAULT, reload };
            let usual = if file.secrets().is_empty() { FileMode::DEFAULT } else { FileMode::SECRET };
            file.mode = mode.unwrap_or(usual);
            Thing::File(path, Box::new(file))
        });
        Outcome::made(file)
    },
};

pub(crate) static TEMPLATE: Function = Function {
    doc: FunctionDoc {
        name: "template",
        summary: "The content of a file, made for each replica and made anew when endpoints change. It is written like \
                  Jinja, over ports.http, volumes.data, env.NAME, secrets.db_password, endpoints.api.http (a list), \
                  address, node, index, service and cluster; a \"-\" in a name is written \"_\".",
        parameters: &[first("text", "\"{{ ports.http }}\"", "The template.")],
        example: "template(\"{% for peer in endpoints.api.http %}server {{ peer }};\\n{% endfor %}\")",
    },
    call: |call| {
        let text = call.field("text", |arg| arg.text());
        Outcome::made(text.map(Thing::Template))
    },
};

pub(crate) static TEXT_FILE: Function = Function {
    doc: FunctionDoc {
        name: "text_file",
        summary: "The text of a file beside this one.",
        parameters: &[first("path", "\"nginx.conf.j2\"", "The file, relative to the file that calls this.")],
        example: "template(text_file(\"nginx.conf.j2\"))",
    },
    call: |call| match read_file(call) {
        Some(FileText { text, .. }) => Outcome::Text(text),
        None => Outcome::Unknown,
    },
};

pub(crate) static SIGNAL: Function = Function {
    doc: FunctionDoc {
        name: "signal",
        summary: "Sends the program a signal when its file has changed.",
        parameters: &[first("name", "\"HUP\"", "HUP, USR1, USR2 or WINCH.")],
        example: "reload = signal(\"HUP\")",
    },
    call: |call| {
        let signal = call.field("name", |arg| arg.choice(&ReloadSignal::ALL));
        Outcome::made(signal.map(|signal| Thing::Reload(Reload::Signal { signal })))
    },
};

pub(crate) static RESTART: Function = Function {
    doc: FunctionDoc {
        name: "restart",
        summary: "Starts the replica anew when its file has changed, not all replicas at once.",
        parameters: &[],
        example: "reload = restart()",
    },
    call: |_| Outcome::Thing(Thing::Reload(Reload::Restart)),
};

fn content(arg: &Arg<'_, '_>) -> Option<FileContent> {
    if Made::from_value(arg.value()).is_none() && arg.value().unpack_str().is_some() {
        return Some(FileContent::Text { text: arg.text()? });
    }
    arg.thing("text, template() or secret()", |thing| match thing {
        Thing::Template(template) => Some(FileContent::Template { template }),
        Thing::Secret(secret) => Some(FileContent::Secret { secret }),
        _ => None,
    })
}

fn reload(arg: &Arg<'_, '_>) -> Option<Reload> {
    arg.thing("signal() or restart()", |thing| match thing {
        Thing::Reload(reload) => Some(reload),
        _ => None,
    })
}

/// The value of `files =` of a service.
pub(super) fn files(arg: &Arg<'_, '_>) -> Option<BTreeMap<String, ConfigFile>> {
    let mut files = BTreeMap::new();
    let all = arg.items(|item| {
        let (path, file) = item.thing("made by file()", |thing| match thing {
            Thing::File(path, file) => Some((path, *file)),
            _ => None,
        })?;
        Some((path, file))
    })?;
    for (path, file) in all {
        if files.insert(path.clone(), file).is_some() {
            return arg.refuse(format!("there are two files {path:?}"), "leave out one of them".to_owned());
        }
    }
    Some(files)
}
