use std::time::Duration;

use clap::{Args, Subcommand};
use icefield_api::{Client, ClientError, ErrorCode, RunOutcome};
use icefield_spec::{Millis, Name};

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Lists jobs, runs them and shows their past
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    command: JobCommand,
}

#[derive(Debug, Subcommand)]
enum JobCommand {
    /// List the jobs: how each stands, and when it runs next
    List {
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        stale: StaleArgs,
    },
    /// Run a job now, and follow it to its end
    ///
    /// Its schedule, if it has one, stays as it is. Exit code 1 if the run fails.
    Run {
        /// The job
        job: Name,
        /// Do not follow
        #[arg(long)]
        no_wait: bool,
        /// Follow for so long at most
        #[arg(long, value_name = "TIME", default_value = "1h")]
        timeout: Millis,
    },
    /// Show the last runs of a job with their attempts, newest first
    ///
    /// `icefield logs NAME/ATTEMPT` shows what an attempt wrote: the last ten of a job are kept on each node.
    History {
        /// The job
        job: Name,
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        stale: StaleArgs,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &JobArgs) -> Result<u8, CommandError> {
    let runtime = connect::runtime()?;
    match &arguments.command {
        JobCommand::List { json, stale } => {
            let jobs = runtime.block_on(connect::require_to_read(cluster, *stale)?.jobs())?;
            if json.json {
                output::json(&jobs)?;
            } else {
                output::print(&render::jobs(&jobs.jobs))?;
                connect::tell_stale(jobs.stale.as_ref());
            }
            Ok(0)
        }
        JobCommand::History { job, json, stale } => {
            let client = connect::require_to_read(cluster, *stale)?;
            let history = runtime.block_on(async { known(&client, client.job(job).await, job).await })?;
            if json.json {
                output::json(&history)?;
            } else {
                output::print(&render::job_runs(history.job.run.iter().chain(&history.runs)))?;
                connect::tell_stale(history.stale.as_ref());
            }
            Ok(0)
        }
        JobCommand::Run { job, no_wait, timeout } => {
            let client = connect::require(cluster)?;
            runtime.block_on(async {
                let run = known(&client, client.run_job(job).await, job).await?.run;
                if *no_wait {
                    output::line(&format!("run {run} of {job} begins; `icefield job history {job}` shows it"))?;
                    return Ok(0);
                }
                follow(&client, job, run, timeout.duration()).await
            })
        }
    }
}

/// Follows a run to its end.
async fn follow(client: &Client, job: &Name, run: u64, limit: Duration) -> Result<u8, CommandError> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_millis(500);
    let start = std::time::Instant::now();
    let (mut seen, mut told) = (None, None);
    loop {
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            let message = format!("run {run} of {job} is still under way after {:.0} s", limit.as_secs_f64());
            return Err(CommandError::new(message).hint("it goes on; `icefield job list` shows it"));
        }
        let status = match client.status(seen, left.min(PATIENCE)).await {
            Err(error) if error.is_passing() => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            status => status?,
        };
        seen = Some(status.index);
        let Some(known) = status.jobs.iter().find(|known| known.name == *job) else {
            return Err(CommandError::new(format!("the job {job} is declared no more")));
        };
        let Some(current) = known.run.as_ref().filter(|current| current.number == run) else {
            return ended(client, job, run).await;
        };
        let attempt = current.open().and_then(|attempt| Some((attempt.index, attempt.node.as_ref()?)));
        let line = match (&known.message, attempt) {
            (Some(message), _) => format!("run {run} {message}"),
            (None, Some((index, node))) => format!("{job}/{index} runs on {node}"),
            (None, None) => format!("run {run} is being placed"),
        };
        if told.as_ref() != Some(&line) {
            output::line(&line)?;
            told = Some(line);
        }
    }
}

async fn ended(client: &Client, job: &Name, run: u64) -> Result<u8, CommandError> {
    let runs = client.job(job).await?.runs;
    let Some(ended) = runs.iter().find(|ended| ended.number == run) else {
        return Err(CommandError::new(format!("nothing is known of run {run} of {job} any more")));
    };
    let because = if ended.message.is_empty() { String::new() } else { format!(": {}", ended.message) };
    let outcome = ended.outcome.map(|outcome| outcome.to_string()).unwrap_or_default();
    output::line(&format!("run {run} {outcome}{because}"))?;
    Ok(u8::from(ended.outcome != Some(RunOutcome::Succeeded)))
}

/// The answer, or an error that knows which jobs there are.
async fn known<T>(client: &Client, answer: Result<T, ClientError>, job: &Name) -> Result<T, CommandError> {
    match answer {
        Err(ClientError::Refused(body)) if body.code == ErrorCode::NotFound => {
            let jobs = client.jobs().await?.jobs;
            let error = CommandError::new(body.message);
            Err(match icefield_spec::nearest(job.as_str(), jobs.iter().map(|known| known.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`icefield job list` shows the jobs"),
            })
        }
        answer => Ok(answer?),
    }
}
