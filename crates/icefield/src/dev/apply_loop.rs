use std::time::{Duration, Instant};

use icefield_api::{ApplyRequest, ApplyResponse, Client, ClientError, ErrorCode};
use icefield_spec::{Name, Spec};

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

/// Applies `spec`, waiting for a leader if there is none yet.
///
/// Replicas that fit nowhere do not keep the others from running: the view shows them with the reason. Where a secret is
/// missing that someone can only set now that the cluster runs, `missing` is told, and it goes on when that is there.
pub(super) async fn apply(
    client: &Client,
    spec: Spec,
    mut missing: impl FnMut(&str) -> Result<(), CommandError>,
) -> Result<ApplyResponse, CommandError> {
    let request = ApplyRequest::whatever_is_there(spec);
    let mut start = Instant::now();
    let mut told = String::new();
    loop {
        let error = match client.apply(&request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if let ClientError::Refused(body) = &error
            && body.code == ErrorCode::UnknownSecret
        {
            let text = body.to_string();
            if told != text {
                missing(&text)?;
                told = text;
            }
            start = Instant::now();
            tokio::time::sleep(PAUSE * 10).await;
            continue;
        }
        if !error.is_passing() || start.elapsed() > PATIENCE {
            return Err(error.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
