use std::path::PathBuf;

use clap::Args;
use console::style;
use icefield_nix::Built;
use icefield_spec::Spec;
use serde::Serialize;

use crate::args::{ClusterArgs, JsonArgs, SourceArgs};
use crate::builders::BuildersArgs;
use crate::building::{BuildArguments, Builds, Scope, View};
use crate::command_error::CommandError;
use crate::output;
use crate::render::{count, size};
use crate::source::Source;

/// Builds what FILE has Nix build: each base, and each service and job, once for all nodes
///
/// What was built from the same input before is not evaluated again. `apply`, `plan` and `dev` build services by themselves; this builds bases too, and gives what was built to others: to a cache, or as a spec with the paths of all (--out), from which nothing is built any more.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    builders: BuildersArgs,
    /// Leave out bases
    #[arg(long)]
    no_bases: bool,
    /// Write the spec to a file, with the paths of what was built; `icefield apply SPEC` builds nothing
    #[arg(long, value_name = "SPEC")]
    out: Option<PathBuf>,
}

/// What was built.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: u32,
    /// How many were evaluated and built.
    evaluated: usize,
    /// How many were built before from the same input.
    known: usize,
    built: &'a [Built],
    spec: &'a Spec,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &BuildArgs) -> Result<u8, CommandError> {
    let source = Source::find(&arguments.source)?;
    let mut spec = source.load()?.spec;
    let scope = Scope { folder: source.folder(), bases: !arguments.no_bases };
    let view = View::new(arguments.build.logs);
    let Builds { built, known, .. } =
        arguments.build.on(&arguments.builders, cluster)?.build(&mut spec, &scope, &view)?;
    if let Some(path) = &arguments.out {
        let text = format!("{}\n", serde_json::to_string_pretty(&spec).expect("a spec can be written as JSON"));
        std::fs::write(path, text)
            .map_err(|error| CommandError::because(format!("cannot write {}", path.display()), &error))?;
    }
    let evaluated = built.len() - known;
    if arguments.json.json {
        output::json(&Report { schema: 1, evaluated, known, built: &built, spec: &spec })?;
        return Ok(0);
    }
    for one in &built {
        let (kind, name, path) = (one.kind.name(), &one.name, &one.path);
        let (paths, size) = (count(one.closure.paths.len() as u64, "path"), size(one.closure.size()));
        output::line(&format!("{kind} {name} ({}): {path}, {paths} with {size}", one.system))?;
    }
    let done = style("✓").green();
    output::line(&match built.len() {
        0 => "nothing is to be built".to_owned(),
        _ => format!("{done} {evaluated} built, {known} as before"),
    })?;
    Ok(0)
}
