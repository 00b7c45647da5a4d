use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use icefield_api::{ErrorCode, ServiceExplanation};
use icefield_placement::ReplicaId;
use serde::Deserialize;

use super::app::{App, name};
use super::blocking::blocking;
use super::failure::Failure;
use super::forward::relay;
use super::reading::{Answer, Read, say};
use super::watch::query;
use crate::view;

/// Why each replica is where it is.
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Path(service): Path<String>,
    uri: Uri,
) -> Result<Answer<ServiceExplanation>, Failure> {
    let service = name(&service)?;
    let read = Read::of(&app, &uri).await?;
    let absent = Failure::not_found(format!("there is no service {service}"));
    let state = Arc::clone(&read.state);
    let explanation = blocking(move || view::explain(&state, &service)).await?;
    let explanation = explanation.ok_or(absent)?;
    Ok(read.answer(ServiceExplanation { stale: read.stale, ..explanation }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    tail: Option<u32>,
    #[serde(default)]
    follow: bool,
    /// Whether the replica is looked for where this server knows it to be.
    #[serde(default)]
    stale: bool,
}

/// What a replica wrote, as its agent has it.
pub(crate) async fn logs(
    State(app): State<Arc<App>>,
    Path((service, index)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Failure> {
    /// How long the agent may take to begin.
    const ANSWER: Duration = Duration::from_secs(5);
    let index = index.parse().map_err(|_| Failure::invalid(format!("{index:?} is not the index of a replica")))?;
    let replica = ReplicaId::new(name(&service)?, index);
    let LogQuery { tail, follow, stale } = query(&uri)?;
    let Read { state, stale } = Read::new(&app, stale).await?;
    // What an attempt of a job wrote stays on its node for a while after it.
    let past = || state.jobs.get(&replica.service)?.node_of(replica.index);
    let Some(node) = state.placed.get(&replica).map(|assignment| &assignment.node).or_else(past) else {
        return Err(Failure::not_found(format!("replica {replica} is on no node")));
    };
    let Some(record) = state.nodes.get(node) else {
        return Err(Failure::not_found(format!("node {node}, where {replica} is, has no agent")));
    };
    let tail = tail.map_or(String::new(), |tail| format!("&tail={tail}"));
    let agent = record.api.trim_end_matches('/');
    let url = format!("{agent}/v1/replicas/{service}/{index}/logs?follow={follow}{tail}");
    match tokio::time::timeout(ANSWER, app.agent(node).get(url).send()).await {
        Ok(Ok(answer)) => Ok(say(stale, relay(answer))),
        Ok(Err(_)) | Err(_) => {
            let message = format!("the agent of node {node}, where {replica} is, does not answer");
            Err(Failure::new(ErrorCode::Conflict, message))
        }
    }
}
