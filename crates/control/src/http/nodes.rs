use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use bytes::Bytes;
use icefield_api::{ErrorCode, Heartbeat, HeartbeatReply, NodeAction, NodeStatus};
use icefield_plan::Generation;
use icefield_spec::{Millis, Name, Revision};

use super::app::{App, name};
use super::asker::Asker;
use super::body;
use super::failure::Failure;
use super::watch::{self, Watch};
use crate::observe::registration;
use crate::{Applied, Command, view};

/// Cordons, drains or uncordons a node.
pub(crate) async fn node(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    asker: Asker,
    body: Bytes,
) -> Result<Json<NodeStatus>, Failure> {
    let node = name(&node)?;
    let action: NodeAction = body::json(body).await?;
    if !app.state().await?.nodes.contains_key(&node) {
        return Err(Failure::not_found(format!("there is no node {node}, or its agent has not been seen yet")));
    }
    let command = Command::Node { at: app.clock.now(), node: node.clone(), action };
    if let Applied::Refused(reason) = app.group.offer(&asker.asks(command)).await? {
        return Err(Failure::new(ErrorCode::Conflict, reason));
    }
    let state = app.group.state().await;
    let status = app.leading.look(|seen| view::node_status(&state, seen, &node)).await?;
    status.map(Json).ok_or_else(|| Failure::not_found(format!("node {node} is gone")))
}

/// A node's generation.
pub(crate) async fn plan(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    uri: Uri,
) -> Result<Json<Generation>, Failure> {
    let node = name(&node)?;
    let watch: Watch = watch::query(&uri)?;
    app.state().await?;
    let number = || async { Ok(app.group.state().await.nodes.get(&node).map_or(0, |record| record.generation)) };
    watch.until(&app, number).await?;
    let generation = app.group.state().await.node_plan(&node);
    generation.map(Json).ok_or_else(|| Failure::not_found(format!("node {node} has no generation yet")))
}

/// An agent's report.
pub(crate) async fn heartbeat(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    body: Bytes,
) -> Result<Json<HeartbeatReply>, Failure> {
    let node = name(&node)?;
    let heartbeat: Heartbeat = body::json(body).await?;
    let registration = registration(&*app.group.state().await, &node, &heartbeat, app.clock.now());
    let known = heartbeat.endpoints.clone();
    // Before the registration: else a node that returns would count as heard of long ago, and so as lost again.
    app.leading.heartbeat(&node, heartbeat).await?;
    if let Some(command) = registration
        && let Applied::Refused(reason) = app.group.propose(&command).await?
    {
        return Err(Failure::new(ErrorCode::Conflict, reason));
    }
    Ok(Json(reply(&app, &node, &known).await?))
}

async fn reply(app: &App, node: &Name, known: &BTreeMap<Name, Option<Revision>>) -> Result<HeartbeatReply, Failure> {
    /// How many heartbeats fit into a lease: so many may get lost or late before a node counts as lost.
    const FIT: u64 = 6;
    let state = app.group.state().await;
    let generation = state.nodes.get(node).map_or(0, |record| record.generation);
    let lease = app.config.lease;
    let every = Millis::new((lease.get() / FIT).max(1));
    let endpoints = app.leading.look(|seen| view::changed_endpoints(&state, seen, known)).await?;
    Ok(HeartbeatReply { generation, every, lease, endpoints, trust: state.trust.mark })
}
