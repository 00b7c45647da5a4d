use clap::{Args, Subcommand};
use icefield_api::{Client, ClientError, ErrorCode, RolloutAction, RolloutState, RolloutStatus};
use icefield_spec::{Name, Revision};
use serde_json::json;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::commands::rolled::Rolled;
use crate::commands::status::unknown_service;
use crate::{connect, output, render};

/// Shows, pauses, confirms or undoes the rollouts of services and bases
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    #[command(subcommand)]
    command: RolloutCommand,
}

#[derive(Debug, Subcommand)]
enum RolloutCommand {
    /// Show how far rollouts are, and what they wait for
    Status {
        /// Only this service, with its replicas, or this base: `base/NAME`
        #[arg(value_name = "SERVICE")]
        of: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        stale: StaleArgs,
    },
    /// Show the last rollouts of a service or base, newest first
    History {
        /// The service, or `base/NAME`
        #[arg(value_name = "SERVICE")]
        of: Rolled,
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        stale: StaleArgs,
    },
    /// Go back to the last good revision
    ///
    /// Of a rollout that is under way or has failed that is the one before it; of one that is done, too. --to goes further back:
    /// the last five good ones are kept. What the file in force declares is then not what runs: it is tried again once it is
    /// changed, or applied after another one.
    Undo {
        #[command(flatten)]
        of: OfService,
        /// The revision to go back to, or the first characters of it, as `icefield rollout history` shows it
        #[arg(long, value_name = "REVISION")]
        to: Option<String>,
    },
    /// Take no further step, neither on nor back
    Pause(OfService),
    /// Let a paused rollout go on
    Resume(OfService),
    /// Say that what was tried is good: the rest follows, or discovery switches
    Confirm(OfService),
}

#[derive(Debug, Args)]
struct OfService {
    /// The service, or `base/NAME`
    #[arg(value_name = "SERVICE")]
    of: Rolled,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &RolloutArgs) -> Result<u8, CommandError> {
    let (of, action, to) = match &arguments.command {
        RolloutCommand::Status { of, json, stale } => {
            return status(cluster, of.as_deref(), *json, *stale);
        }
        RolloutCommand::History { of: Rolled::Service(service), json, stale } => {
            return history(cluster, service, *json, *stale);
        }
        RolloutCommand::History { of: Rolled::Base(base), json, stale } => {
            return base_history(cluster, base, *json, *stale);
        }
        RolloutCommand::Undo { of, to } => (of, RolloutAction::Undo, to.as_deref()),
        RolloutCommand::Pause(of) => (of, RolloutAction::Pause, None),
        RolloutCommand::Resume(of) => (of, RolloutAction::Resume, None),
        RolloutCommand::Confirm(of) => (of, RolloutAction::Confirm, None),
    };
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        let rollout = match (&of.of, to) {
            (Rolled::Service(service), to) => {
                let action = match to {
                    Some(to) => RolloutAction::UndoTo(kept(&client, service, to).await?),
                    None => action,
                };
                match client.rollout(service, action).await {
                    Err(error) => return Err(explained(&client, service, error).await),
                    Ok(answer) if of.json.json => return output::json(&answer),
                    Ok(answer) => answer.rollout,
                }
            }
            (Rolled::Base(_), Some(_)) => {
                let hint = "leave out --to, or apply a file in which the base has that system";
                return Err(CommandError::new("a base goes back to its last good system only").hint(hint));
            }
            (Rolled::Base(base), None) => match client.base_rollout(base, action).await? {
                answer if of.json.json => return output::json(&answer),
                answer => answer.rollout,
            },
        };
        output::line(&sentence(action, &of.of, &rollout))
    })?;
    Ok(0)
}

/// The revision that begins with `text`, of those that one can go back to.
async fn kept(client: &Client, service: &Name, text: &str) -> Result<Revision, CommandError> {
    let history = match client.rollouts(service).await {
        Err(error) => return Err(explained(client, service, error).await),
        history => history?,
    };
    let mut found = history.kept.iter().filter(|revision| revision.to_string().starts_with(text));
    if let (Some(revision), None) = (found.next(), found.next()) {
        return Ok(*revision);
    }
    let kept: Vec<String> = history.kept.iter().map(Revision::short).collect();
    let hint = match kept.as_slice() {
        [] => format!("no revision of {service} is kept to go back to"),
        kept => format!("kept are, newest first: {}", kept.join(", ")),
    };
    Err(CommandError::new(format!("no one revision of {service} that is kept begins with {text:?}")).hint(hint))
}

fn status(cluster: &ClusterArgs, of: Option<&str>, json: JsonArgs, stale: StaleArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, stale)?;
    let mut status = connect::runtime()?.block_on(client.status(None, connect::NOW))?;
    if let Some(base) = of.and_then(|of| of.strip_prefix("base/")) {
        status.bases.retain(|known| known.name.as_str() == base);
        status.services.clear();
        if status.bases.is_empty() {
            return Err(CommandError::new(format!("there is no base {base} whose nodes are to run a system")));
        }
    } else if let Some(service) = of {
        status.bases.clear();
        if !status.services.iter().any(|known| known.name.as_str() == service) {
            return Err(unknown_service(service, status.services.iter().map(|known| known.name.as_str())));
        }
        status.services.retain(|known| known.name.as_str() == service);
    }
    if json.json {
        let mut answer = json!({ "schema": status.schema, "services": status.services, "bases": status.bases });
        if let Some(stale) = &status.stale {
            answer["stale"] = json!(stale);
        }
        output::json(&answer)?;
        return Ok(0);
    }
    let mut parts = Vec::new();
    if status.bases.is_empty() || !status.services.is_empty() {
        parts.push(render::rollouts(&status.services));
    }
    if !status.bases.is_empty() {
        parts.push(render::bases(&status.bases));
    }
    output::print(&parts.join("\n"))?;
    if !status.services.is_empty() && of.is_some() {
        output::print(&format!("\n{}", render::replicas(&status.services)))?;
    }
    connect::tell_stale(status.stale.as_ref());
    Ok(0)
}

fn history(cluster: &ClusterArgs, service: &Name, json: JsonArgs, stale: StaleArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, stale)?;
    let history = connect::runtime()?.block_on(async {
        match client.rollouts(service).await {
            Err(error) => Err(explained(&client, service, error).await),
            history => Ok(history?),
        }
    })?;
    if json.json {
        output::json(&history)?;
    } else {
        output::print(&render::rollout_history(&history))?;
        connect::tell_stale(history.stale.as_ref());
    }
    Ok(0)
}

fn base_history(cluster: &ClusterArgs, base: &Name, json: JsonArgs, stale: StaleArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, stale)?;
    let history = connect::runtime()?.block_on(client.base_rollouts(base))?;
    if json.json {
        output::json(&history)?;
    } else {
        output::print(&render::base_history(&history))?;
        connect::tell_stale(history.stale.as_ref());
    }
    Ok(0)
}

/// An error with what might have been meant, if there is no such service.
async fn explained(client: &Client, service: &Name, error: ClientError) -> CommandError {
    if let ClientError::Refused(body) = &error
        && body.code == ErrorCode::NotFound
        && let Ok(status) = client.status(None, connect::NOW).await
    {
        return unknown_service(service.as_str(), status.services.iter().map(|known| known.name.as_str()));
    }
    error.into()
}

fn sentence(action: RolloutAction, service: &Rolled, rollout: &RolloutStatus) -> String {
    match action {
        RolloutAction::Pause => {
            format!("the rollout of {service} is paused; `icefield rollout resume {service}` has it go on")
        }
        RolloutAction::Resume => format!("the rollout of {service} goes on"),
        RolloutAction::Confirm => format!("the rollout of {service} is confirmed and goes on"),
        RolloutAction::Undo | RolloutAction::UndoTo(_) if rollout.state == RolloutState::RolledBack => {
            format!("{service} is back")
        }
        RolloutAction::Undo | RolloutAction::UndoTo(_) => {
            format!("{service} goes back; `icefield rollout status {service}` shows how far it is")
        }
    }
}
