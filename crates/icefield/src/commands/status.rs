use clap::Args;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows what is true now: services with their replicas, and nodes
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    stale: StaleArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &StatusArgs) -> Result<u8, CommandError> {
    let client = connect::require_to_read(cluster, arguments.stale)?;
    let mut status = connect::runtime()?.block_on(client.status(None, connect::NOW))?;
    if let Some(service) = &arguments.service {
        if !status.services.iter().any(|known| known.name.as_str() == service) {
            return Err(unknown_service(service, status.services.iter().map(|known| known.name.as_str())));
        }
        status.services.retain(|known| known.name.as_str() == service);
    }
    if arguments.json.json {
        output::json(&status)?;
    } else {
        output::print(&render::status(&status, usize::MAX))?;
        connect::tell_stale(status.stale.as_ref());
    }
    Ok(0)
}

/// The error for a service that the cluster does not have.
pub(crate) fn unknown_service<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> CommandError {
    let error = CommandError::new(format!("there is no service {name:?}"));
    if known.clone().next().is_none() {
        return error.hint("the cluster has none; `icefield apply FILE` declares services");
    }
    match icefield_spec::nearest(name, known.clone()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("the cluster has: {}", known.collect::<Vec<_>>().join(", "))),
    }
}
