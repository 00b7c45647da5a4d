use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use icefield_cache::{Collection, PathHash, StorePath};
use icefield_spec::Millis;

use super::source::{existing, read};
use crate::args::JsonArgs;
use crate::command_error::CommandError;
use crate::output;
use crate::render::{count, size};

/// Removes what is not needed from a cache's folder
///
/// It may run while the folder is served: what a client is getting it gets to its end, and an upload finds what it refers to or is told.
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// The folder
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Keep the store paths in this file, one a line, and all that they need
    #[arg(long, value_name = "FILE")]
    keep_roots: Option<PathBuf>,
    /// Remove only what came longer ago, and is not needed by what came later; with --keep-roots, an hour if it is not given
    #[arg(long, value_name = "TIME", required_unless_present = "keep_roots")]
    older_than: Option<Millis>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonArgs,
}

/// How long uploads have to become needed.
const GRACE: Duration = Duration::from_secs(3600);

pub(super) fn run(arguments: &GcArgs) -> Result<u8, CommandError> {
    let folder = existing(&arguments.dir)?;
    let roots = match &arguments.keep_roots {
        None => None,
        Some(file) => {
            let text = read(file)?;
            let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
            let roots = lines.map(|(number, line)| {
                let name = line.rsplit_once('/').map_or(line, |(_, name)| name);
                name.parse::<StorePath>().map(|path| path.hash()).map_err(|error| {
                    CommandError::because(format!("{}, line {number}", file.display()), &error)
                        .hint("nothing was removed; write whole store paths, one a line")
                })
            });
            Some(roots.collect::<Result<Vec<PathHash>, _>>()?)
        }
    };
    let older_than = arguments.older_than.map_or(GRACE, |millis| Duration::from_millis(millis.get()));
    let collection = Collection { roots, older_than, dry_run: arguments.dry_run };
    let collected = folder
        .collect(&collection)
        .map_err(|error| CommandError::because(format!("{} cannot be cleaned up", arguments.dir.display()), &error))?;
    if arguments.json.json {
        output::json(&collected)?;
        return Ok(0);
    }
    for path in &collected.removed {
        output::line(path)?;
    }
    let what = if arguments.dry_run { "would be removed" } else { "removed" };
    let (removed, size) = (count(collected.removed.len() as u64, "path"), size(collected.freed_bytes));
    output::line(&format!("{removed} {what} ({size}), {} kept", collected.kept))?;
    Ok(0)
}
