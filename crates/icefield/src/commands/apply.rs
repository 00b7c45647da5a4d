use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use console::{Term, style};
use icefield_api::{ApplyRequest, Client};
use icefield_spec::{Millis, Revision};

use crate::args::{ClusterArgs, SourceArgs};
use crate::builders::BuildersArgs;
use crate::building::{BuildArguments, build_services};
use crate::command_error::CommandError;
use crate::progress::{Progress, progress};
use crate::render::LiveText;
use crate::saved_plan::SavedPlan;
use crate::source::Source;
use crate::{connect, output, render};

/// Puts FILE in force and follows until it is done
///
/// FILE may be a plan that `icefield plan --out` wrote. What would happen must still be what was shown; otherwise nothing is changed, and it says what has changed since.
///
/// Shows what would change, asks, applies, and follows: a line for each service, with what it waits for and since when. It ends with 0 when every replica is as declared and healthy, with 3 when a rollout has failed or was rolled back, and with 4 when --timeout is over or when nothing goes on before someone has it go on (`icefield rollout confirm`, `resume`). Ctrl-C while following leaves the cluster at work, and ends with 130; `icefield rollout status` shows how far it is.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    build: BuildArguments,
    #[command(flatten)]
    builders: BuildersArgs,
    /// Do not ask. Then only another spec that was put in force since the plan was made refuses it; nodes that were lost or
    /// replicas that were moved meanwhile do not
    #[arg(short, long)]
    yes: bool,
    /// Go on though some replicas fit nowhere
    #[arg(long)]
    allow_unplaced: bool,
    /// Do not follow
    #[arg(long)]
    no_wait: bool,
    /// Follow for so long at most
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: Millis,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &ApplyArgs) -> Result<u8, CommandError> {
    let saved = SavedPlan::read(&arguments.source.file)?;
    let is_saved = saved.is_some();
    if is_saved && !arguments.source.define.is_empty() {
        return Err(CommandError::new("a plan is applied as it is; -D changes nothing in it")
            .hint("`icefield plan FILE -D … --out PLAN` makes another one"));
    }
    let loaded = match saved {
        Some(SavedPlan { spec, report, .. }) => (spec, Some(report)),
        None => {
            let source = Source::find(&arguments.source)?;
            let mut spec = source.load()?.spec;
            build_services(&mut spec, source.folder(), &arguments.build.on(&arguments.builders, cluster)?)?;
            (spec, None)
        }
    };
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        let (spec, report) = loaded;
        let mut request = ApplyRequest::whatever_is_there(spec);
        let report = match report {
            Some(report) => report,
            None => client.plan(&request).await?,
        };
        output::print(&render::plan(&report))?;
        if report.changes.is_empty() && report.unplaced.is_empty() {
            return Ok(0);
        }
        if !report.unplaced.is_empty() && !arguments.allow_unplaced {
            return Err(CommandError::new("some replicas fit nowhere; nothing was changed")
                .hint("--allow-unplaced goes on without them"));
        }
        if !arguments.yes && !confirmed("Apply?")? {
            return Err(CommandError::new("not applied"));
        }
        request.allow_unplaced = arguments.allow_unplaced;
        request.expect = report.basis;
        // Nobody has agreed to each change of a plan that nobody was asked about.
        if let Some(expect) = request.expect.as_mut().filter(|_| arguments.yes && !is_saved) {
            expect.plan = None;
        }
        let applied = client.apply(&request).await?;
        if arguments.no_wait {
            output::line(&format!("applied as revision {}", applied.revision.short()))?;
            return Ok(0);
        }
        let limit = arguments.timeout.duration();
        let mut live = LiveText::new(Term::stdout());
        tokio::select! {
            followed = follow(&client, &applied.revision, arguments.allow_unplaced, limit, &mut live) => followed,
            _ = tokio::signal::ctrl_c() => {
                output::line("the cluster goes on; `icefield rollout status` shows how far it is, `icefield rollout undo SERVICE` goes back")?;
                Ok(INTERRUPTED)
            }
        }
    })
}

/// A rollout has failed.
const FAILED: u8 = 3;
/// Not all is as declared, and the cluster goes on.
const UNFINISHED: u8 = 4;
/// As shells have it for what SIGINT ends.
const INTERRUPTED: u8 = 130;

/// Asks a person whether to go on.
pub(crate) fn confirmed(question: &str) -> Result<bool, CommandError> {
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::new("nobody is there to ask").hint("--yes goes on without asking"));
    }
    output::print(&format!("{question} [y/N] "))?;
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Follows the cluster on its way to `revision` and ends with a verdict.
pub(crate) async fn follow(
    client: &Client,
    revision: &Revision,
    allow_unplaced: bool,
    limit: Duration,
    live: &mut LiveText,
) -> Result<u8, CommandError> {
    let start = Instant::now();
    let mut seen = None;
    let mut lines: Vec<String> = Vec::new();
    loop {
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(shortened(lines).into_iter().fold(
                CommandError::new(format!(
                    "not all is healthy after {:.1} s; the cluster goes on trying",
                    limit.as_secs_f64()
                ))
                .code(UNFINISHED)
                .hint("`icefield rollout status` shows how far it is"),
                CommandError::cause,
            ));
        }
        let status = match client.status(seen, left.min(Duration::from_secs(1))).await {
            Ok(status) => status,
            // Elections and restarts of servers pass.
            Err(error) if error.is_passing() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        seen = Some(status.index);
        match progress(&status, revision, allow_unplaced) {
            Progress::Done { unplaceable } => {
                live.show(&render::services(&status.services))?;
                let took = start.elapsed().as_secs_f64();
                let but =
                    if unplaceable > 0 { format!(", but {unplaceable} replicas fit nowhere") } else { String::new() };
                live.note(&format!("{} all is as declared{but}, after {took:.1} s", style("✓").green()))?;
                return Ok(0);
            }
            Progress::Failed(reasons) => {
                live.show(&render::services(&status.services))?;
                let error = CommandError::new("the rollout failed").code(FAILED);
                let of_a_base = reasons.iter().any(|reason| reason.starts_with("base "));
                let hint = if of_a_base {
                    "`icefield node history NODE` shows what became of a system on a node"
                } else {
                    "`icefield logs SERVICE/N` shows what a replica wrote"
                };
                return Err(shortened(reasons).into_iter().fold(error, CommandError::cause).hint(hint));
            }
            Progress::Asking(asking) => {
                live.show(&render::services(&status.services))?;
                let error = CommandError::new("it goes on only once someone has it go on").code(UNFINISHED);
                return Err(shortened(asking).into_iter().fold(error, CommandError::cause));
            }
            Progress::Superseded => {
                return Err(
                    CommandError::new("another spec was put in force meanwhile").hint("`icefield history` shows which")
                );
            }
            Progress::Waiting(waiting) => {
                let marked = |line: String| format!("{} {line}\n", style("…").yellow());
                if live.is_live() {
                    live.show(&shortened(waiting.clone()).into_iter().map(marked).collect::<String>())?;
                } else {
                    // Elsewhere each line stays, so only what has changed is worth another one.
                    let changed = waiting.iter().filter(|line| !lines.contains(line)).cloned().collect();
                    output::print(&shortened(changed).into_iter().map(marked).collect::<String>())?;
                }
                lines = waiting;
            }
        }
    }
}

/// The first lines, and how many more there are.
fn shortened(mut lines: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 12;
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("… and {more} more services"));
    }
    lines
}
