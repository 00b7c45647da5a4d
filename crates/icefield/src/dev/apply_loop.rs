use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, ApplyResponse, Client, ClientError, ErrorCode};
use icefield_spec::{Name, Spec};

use super::secrets::DevSecrets;
use crate::command_error::CommandError;
use crate::connect::NOW;

/// How long the servers may take to come up and choose a leader.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long agents may take to register before the spec is applied without them.
const AGENTS_PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until the agents of `nodes` have registered, so that the first placement spreads over all of them.
pub(super) async fn wait_for_agents(client: &Client, nodes: &[Name]) {
    let start = Instant::now();
    while start.elapsed() < AGENTS_PATIENCE {
        if let Ok(status) = client.status(None, NOW).await {
            let there = |name: &Name| {
                status.nodes.iter().any(|node| node.name == *name && node.state != icefield_api::NodeState::Joining)
            };
            if nodes.iter().all(there) {
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sets the secrets that were given, waiting for a leader if there is none yet.
pub(super) async fn set_given(client: &Client, secrets: &DevSecrets) -> Result<(), CommandError> {
    let start = Instant::now();
    while let Err(error) = secrets.set_given(client).await {
        if !error.is_passing() || start.elapsed() > PATIENCE {
            return Err(error.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Applies `spec`, waiting for a leader if there is none yet.
///
/// Replicas that fit nowhere do not keep the others from running: the view shows them with the reason. A secret that nobody
/// has set, which elsewhere keeps a spec from being applied, gets a value, and `made` is told of that.
pub(super) async fn apply(
    client: &Client,
    spec: Spec,
    secrets: &DevSecrets,
    mut made: impl FnMut(&[String]) -> Result<(), CommandError>,
) -> Result<ApplyResponse, CommandError> {
    let request = ApplyRequest::whatever_is_there(spec);
    let start = Instant::now();
    loop {
        let error = match client.apply(&request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if let ClientError::Refused(body) = &error
            && body.code == ErrorCode::UnknownSecret
        {
            let names = secrets.make_missing(client, &request.spec).await?;
            if !names.is_empty() {
                made(&names)?;
                continue;
            }
        }
        if !error.is_passing() || start.elapsed() > PATIENCE {
            return Err(error.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
