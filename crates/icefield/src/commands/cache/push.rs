use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use icefield_cache::{Place, Push, PushError, Pushed, StorePath};
use serde::Serialize;

use super::source::{StoreArgs, http, open, secret_key, shared};
use crate::args::JsonArgs;
use crate::command_error::CommandError;
use crate::commands::agent::token_or_file;
use crate::render::{count, size};
use crate::{connect, output};

/// Brings store paths into a cache, with all that they need
///
/// What the cache has is not sent again, so a push that was cut off goes on where it was.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The store paths, or links to them such as `result`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The cache: its URL, or a folder
    #[arg(long, value_name = "URL|DIR")]
    to: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Sign the paths with the secret key in this file; may be given several times
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The token that the cache wants for uploads, or @FILE with it
    #[arg(long, env = "ICEFIELD_CACHE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// How much to compress by Zstandard, from 1 to 19; 0 leaves NARs as they are
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(i32).range(0..=19))]
    level: i32,
    #[command(flatten)]
    json: JsonArgs,
}

/// What was pushed.
#[derive(Debug, Default, Serialize)]
struct Report {
    schema: u32,
    sent: Vec<String>,
    sent_bytes: u64,
    there: usize,
}

pub(super) fn run(arguments: PushArgs) -> Result<u8, CommandError> {
    let store = shared(&arguments.store)?;
    let paths: Vec<StorePath> =
        arguments.paths.iter().map(|path| store_path(path, &store)).collect::<Result<_, _>>()?;
    let to = if arguments.to.contains("://") {
        let url = connect::checked(&arguments.to)?;
        let token = arguments.token.as_deref().map(token_or_file).transpose()?;
        Place::Url { http: http(&url)?, url, token }
    } else {
        Place::Folder(Arc::new(open(arguments.to.as_ref(), Some(store.dir()))?))
    };
    let keys = arguments.key.iter().map(|path| secret_key(path)).collect::<Result<_, _>>()?;
    let push = Push { store, to, keys, level: Some(arguments.level).filter(|level| *level > 0) };
    let mut report = Report { schema: 1, ..Report::default() };
    let pushed = connect::runtime()?.block_on(push.run(&paths, &mut |pushed| match pushed {
        Pushed::There(_) => report.there += 1,
        Pushed::Sent(path, bytes) => {
            if !arguments.json.json {
                output::complain(&format!("sent {path} ({})\n", size(bytes)));
            }
            report.sent.push(path.to_string());
            report.sent_bytes += bytes;
        }
    }));
    pushed.map_err(|error| failed(&arguments.to, &error))?;
    if arguments.json.json {
        output::json(&report)?;
    } else {
        let (sent, size) = (count(report.sent.len() as u64, "path"), size(report.sent_bytes));
        output::line(&format!("{sent} sent ({size}), {} there already", report.there))?;
    }
    Ok(0)
}

/// A path as the store calls it.
fn store_path(path: &PathBuf, store: &icefield_cache::NixStore) -> Result<StorePath, CommandError> {
    let text = path.to_string_lossy();
    // What is called as in the store need not be there on this machine.
    if let Ok(found) = store.dir().path(&text) {
        return Ok(found);
    }
    let target = std::fs::canonicalize(path)
        .map_err(|error| CommandError::because(format!("cannot read {}", path.display()), &error))?;
    store.dir().path(&target.to_string_lossy()).map_err(|_| {
        CommandError::new(format!("{} does not lead into {}", path.display(), store.dir()))
            .hint("`nix-store --add PATH` brings a file into the store")
    })
}

fn failed(to: &str, error: &PushError) -> CommandError {
    let command = CommandError::because(format!("not all is in {to}"), error);
    match error {
        PushError::Refused { problem, .. } if problem.contains("401") || problem.contains("403") => {
            command.hint("--token TOKEN, or @FILE with it, is what `icefield cache serve --tokens` lets in")
        }
        _ => command.hint("run it again: what is there is not sent again"),
    }
}
