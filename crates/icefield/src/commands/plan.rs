use std::path::PathBuf;

use clap::Args;
use icefield_api::ApplyRequest;

use crate::args::{ClusterArgs, JsonArgs, SourceArgs};
use crate::builders::BuildersArgs;
use crate::building::{BuildArguments, build_services};
use crate::command_error::CommandError;
use crate::saved_plan::SavedPlan;
use crate::source::Source;
use crate::{connect, output, render};

/// Shows what an apply of FILE would change, and where replicas would go
///
/// Changes nothing. Without a cluster it plans against the machines that FILE declares, all empty. Exit code 0: no change; 2: changes;
/// 1: an error, also when replicas fit nowhere (unless --allow-unplaced).
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    builders: BuildersArgs,
    #[command(flatten)]
    json: JsonArgs,
    /// Do not count replicas that fit nowhere as an error
    #[arg(long)]
    allow_unplaced: bool,
    /// Plan against the machines that FILE declares, though a cluster is running
    #[arg(long)]
    offline: bool,
    /// Write the plan to a file; `icefield apply PLAN` applies it as long as it is still what would happen
    #[arg(long, value_name = "PLAN", conflicts_with = "offline")]
    out: Option<PathBuf>,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &PlanArgs) -> Result<u8, CommandError> {
    let source = Source::find(&arguments.source)?;
    let mut spec = source.load()?.spec;
    let client = if arguments.offline { None } else { connect::find(cluster)? };
    let offline = client.is_none();
    // Where there is nothing that it could differ from, it does not matter what was built.
    if !offline {
        build_services(&mut spec, source.folder(), &arguments.build.on(&arguments.builders, cluster)?)?;
    }
    let report = match client {
        Some(client) => {
            let request = ApplyRequest::whatever_is_there(spec);
            let report = connect::runtime()?.block_on(client.plan(&request))?;
            if let Some(path) = &arguments.out {
                SavedPlan::new(request.spec, report.clone()).write(path)?;
            }
            report
        }
        None if arguments.out.is_some() => {
            return Err(CommandError::new(
                "no cluster is running here, so there is nothing to plan against that could be applied",
            )
            .hint("`icefield dev FILE` starts one; --server URL names another"));
        }
        None => {
            spec.fill_in_ports();
            icefield_control::view::offline_report(&spec).0
        }
    };
    if arguments.json.json {
        output::json(&report)?;
    } else {
        output::print(&render::plan(&report))?;
        if offline {
            output::complain("No cluster is running: planned against the machines that the file declares.\n");
        }
    }
    Ok(if !report.unplaced.is_empty() && !arguments.allow_unplaced {
        1
    } else if report.changes.is_empty() {
        0
    } else {
        2
    })
}
