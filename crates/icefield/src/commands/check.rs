use clap::Args;

use crate::args::{JsonArgs, SourceArgs};
use crate::command_error::CommandError;
use crate::output;
use crate::render::count;
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
    let mut spec = source.load()?.spec;
    if arguments.json.json {
        output::line(&spec.canonical_json())?;
    } else {
        // As it is in force, so that the revision is that one too.
        spec.fill_in_ports();
        let daemons = spec.services.values().filter(|service| service.daemon).count() as u64;
        let daemons = if daemons > 0 { format!(" and {}", count(daemons, "daemon")) } else { String::new() };
        output::line(&format!(
            "{}: cluster {}, {}, {} with {}{daemons}; revision {}",
            source.path().display(),
            spec.cluster,
            count(spec.node_count(), "node"),
            count(spec.services.len() as u64, "service"),
            count(spec.replica_count(), "replica"),
            spec.revision().short(),
        ))?;
    }
    Ok(0)
}
