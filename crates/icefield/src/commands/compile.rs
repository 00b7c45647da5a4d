use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use icefield_control::reconcile::place_offline;
use icefield_emit::{Emitter, Target};
use icefield_placement::{Placement, Solution, Unplaced};
use icefield_plan::{Fleet, compile, units_of};
use icefield_spec::Spec;

use crate::args::SourceArgs;
use crate::artefacts::Artefacts;
use crate::command_error::CommandError;
use crate::output;
use crate::source::Source;

/// Writes the files of every node, for NixOS or for any Linux
///
/// Evaluates FILE and places its replicas on the machines that it declares; no cluster is needed. Equal input gives equal files, byte for byte. What an earlier run wrote and this one does not is removed; nothing
/// else in the folder is touched.
#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The form to write
    #[arg(long, value_parser = targets())]
    target: Target,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write what can be placed though some replicas fit nowhere
    #[arg(long)]
    allow_unplaced: bool,
}

pub(super) fn targets() -> impl TypedValueParser<Value = Target> {
    let values = Target::ALL.map(|target| PossibleValue::new(target.name()).help(target.summary()));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Target>())
}

pub(crate) fn run(arguments: &CompileArgs) -> Result<u8, CommandError> {
    let start = Instant::now();
    let mut spec = Source::find(&arguments.source)?.load()?.spec;
    spec.fill_in_ports();
    let placement = place(&spec, arguments.allow_unplaced)?;
    let plans = compile(
        &Fleet { spec: &spec, units: &units_of(&spec), addresses: &std::collections::BTreeMap::new() },
        &placement,
    );
    let inexpressible = |error: icefield_emit::EmitError| CommandError::new(error.to_string());
    let emitter = Emitter::new(arguments.target, &spec, &plans).map_err(inexpressible)?;
    let mut artefacts = Artefacts::open(&arguments.out)?;
    artefacts.write(emitter.shared().map_err(inexpressible)?)?;
    // Two threads to a core would only wait for the same disk.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = plans.len().div_ceil(threads).max(1);
    let written = std::thread::scope(|scope| {
        let workers: Vec<_> = plans
            .chunks(share)
            .map(|plans| {
                let (emitter, folder, is_new) = (&emitter, artefacts.folder(), artefacts.is_new());
                scope.spawn(move || {
                    let mut paths = Vec::new();
                    for plan in plans {
                        let files = emitter.node(plan).map_err(inexpressible)?;
                        paths.extend(Artefacts::write_files(folder, files, is_new)?);
                    }
                    Ok::<_, CommandError>(paths)
                })
            })
            .collect();
        let joined = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(CommandError::new("a part of the compilation broke off")))
        });
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    written.into_iter().for_each(|paths| artefacts.add(paths));
    let count = artefacts.finish()?;
    output::line(&format!(
        "wrote {count} files for {} nodes and {} replicas to {} in {:.2} s",
        plans.len(),
        placement.len(),
        arguments.out.display(),
        start.elapsed().as_secs_f64(),
    ))?;
    Ok(0)
}

/// Places every replica on the declared machines, all of them empty.
fn place(spec: &Spec, allow_unplaced: bool) -> Result<Placement, CommandError> {
    let (Solution { unplaced, .. }, placement) = place_offline(spec);
    if !unplaced.is_empty() && !allow_unplaced {
        return Err(refusal(&unplaced));
    }
    Ok(placement)
}

fn refusal(unplaced: &[Unplaced]) -> CommandError {
    let error = CommandError::new(format!("{} replicas fit nowhere; nothing was written", unplaced.len()));
    let error = unplaced.iter().take(3).fold(error, |error, unplaced| {
        let reasons: Vec<String> =
            unplaced.reasons.iter().map(|reason| format!("{}: {}", reason.rule, reason.fix)).collect();
        error.cause(format!("{}: {}", unplaced.replica, reasons.join("; ")))
    });
    error.hint("`icefield plan` shows all of it; --allow-unplaced writes the rest")
}
