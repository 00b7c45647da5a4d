use clap::Args;
use icefield_api::{Client, ClientError, ErrorCode, ServiceExplanation};
use icefield_placement::ReplicaId;
use icefield_spec::Name;

use crate::args::{ClusterArgs, JsonArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::commands::status::unknown_service;
use crate::{connect, output, render};

/// Shows why replicas are where they are
///
/// For each replica of SERVICE: why it was put there, what its node's score is made of, which nodes come next; or which
/// rules keep it out, and what would let it in.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A service, or one replica of it: web or web/3
    #[arg(value_name = "SERVICE[/N]")]
    what: String,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    stale: StaleArgs,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &ExplainArgs) -> Result<u8, CommandError> {
    let (service, index) = service_or_replica(&arguments.what)?;
    let client = connect::require_to_read(cluster, arguments.stale)?;
    let mut answer = connect::runtime()?.block_on(ask(&client, &service))?;
    if let Some(index) = index {
        answer.replicas.retain(|replica| replica.explanation.replica.index == index);
        if answer.replicas.is_empty() {
            return Err(CommandError::new(format!("{service} has no replica {index}")));
        }
    }
    if arguments.json.json {
        output::json(&answer)?;
    } else {
        output::print(&render::explanation(&answer))?;
        connect::tell_stale(answer.stale.as_ref());
    }
    Ok(0)
}

async fn ask(client: &Client, service: &Name) -> Result<ServiceExplanation, CommandError> {
    match client.explain(service).await {
        Err(ClientError::Refused(body)) if body.code == ErrorCode::NotFound => {
            let status = client.status(None, connect::NOW).await?;
            Err(unknown_service(service.as_str(), status.services.iter().map(|known| known.name.as_str())))
        }
        answer => Ok(answer?),
    }
}

/// Reads `web` or `web/3`.
pub(crate) fn service_or_replica(text: &str) -> Result<(Name, Option<u32>), CommandError> {
    if text.contains('/') {
        let replica: ReplicaId = text.parse().map_err(|error| CommandError::because("which replica?", &error))?;
        return Ok((replica.service, Some(replica.index)));
    }
    let service = Name::new(text).map_err(|error| CommandError::because("which service?", &error))?;
    Ok((service, None))
}
