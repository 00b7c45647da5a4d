use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use bytes::Bytes;
use icefield_api::{Heartbeat, HeartbeatReply, NodeAction, NodeStatus};
use icefield_plan::Generation;
use icefield_spec::{Millis, Name, Revision};

use super::app::{App, name, settle};
use super::body;
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::watch::{self, Rises, Watch};
use super::write::Write;
use crate::observe::registration;
use crate::{Command, view};

/// Cordons, drains or uncordons a node.
pub(crate) async fn node(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    write: Write,
) -> Result<Json<NodeStatus>, Failure> {
    let node = name(&node)?;
    let action: NodeAction = write.json().await?;
    let prepare = async |state: Arc<crate::State>| {
        if state.nodes.contains_key(&node) {
            return Ok(Command::Node { at: app.clock.now(), node: node.clone(), action });
        }
        Err(Failure::not_found(format!("there is no node {node}, or its agent has not been seen yet")))
    };
    app.prepare_change(&write, prepare).await?;
    let state = app.group.state().await;
    let status = app.leading.look(|seen| view::node_status(&state, seen, &node)).await?;
    status.map(Json).ok_or_else(|| Failure::not_found(format!("node {node} is gone")))
}

/// A node's generation.
pub(crate) async fn plan(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    uri: Uri,
) -> Result<Answer<Generation>, Failure> {
    let node = name(&node)?;
    let watch: Watch = watch::query(&uri)?;
    Read::new(&app, watch.stale).await?;
    let number = || async { Ok(app.group.state().await.nodes.get(&node).map_or(0, |record| record.generation)) };
    watch.until(&app, Rises::WithState, number).await?;
    let read = Read::again(&app, watch.stale).await;
    let generation = read.state.node_plan(&node);
    let generation = generation.ok_or_else(|| Failure::not_found(format!("node {node} has no generation yet")))?;
    Ok(read.answer(generation))
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
    if let Some(command) = registration {
        settle(app.group.propose(command).await?)?;
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
    Ok(HeartbeatReply { generation, every, lease, endpoints })
}
