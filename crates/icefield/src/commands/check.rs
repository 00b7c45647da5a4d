use clap::Args;

use crate::cli::{JsonArgs, SourceArgs};
use crate::command_error::CommandError;
use crate::output;
use crate::source::Source;

/// Evaluates and validates FILE
///
/// Says what it declares. Needs no cluster and changes nothing.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn run(arguments: &CheckArgs) -> Result<u8, CommandError> {
    let source = Source::find(&arguments.source)?;
    let spec = source.load()?.spec;
    if arguments.json.json {
        output::line(&spec.canonical_json())?;
    } else {
        output::line(&format!(
            "{}: cluster {}, {}, {} with {}; revision {}",
            source.path().display(),
            spec.cluster,
            counted(spec.node_count(), "node"),
            counted(spec.services.len() as u64, "service"),
            counted(spec.replica_count(), "replica"),
            spec.revision().short(),
        ))?;
    }
    Ok(0)
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
