use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use icefield_api::{Alive, ErrorCode, Heartbeat, HeartbeatReply, NodeAction, NodeHistory, NodeStatus};
use icefield_plan::Generation;
use icefield_spec::{Name, Revision};

use super::app::{App, name, settle};
use super::body;
use super::failure::Failure;
use super::forward::relay;
use super::reading::{Answer, Read};
use super::watch::{self, Rises, Watch};
use super::write::Write;
use crate::leading::Promise;
use crate::observe::{is_removed, registration};
use crate::{Command, view};

/// Cordons, drains, uncordons or removes a node.
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

/// The systems that a node was asked for, newest first.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    uri: Uri,
) -> Result<Answer<NodeHistory>, Failure> {
    let node = name(&node)?;
    let read = Read::of(&app, &uri).await?;
    let history = view::node_history(&read.state, &node);
    let history = history.ok_or_else(|| Failure::not_found(format!("there is no node {node}")))?;
    Ok(read.answer(NodeHistory { stale: read.stale, ..history }))
}

/// One of the last generations of a node, as its agent has kept it.
pub(crate) async fn generation(
    State(app): State<Arc<App>>,
    Path((node, number)): Path<(String, String)>,
) -> Result<Response, Failure> {
    /// How long the agent may take to answer: it asks its store.
    const ANSWER: Duration = Duration::from_secs(15);
    let node = name(&node)?;
    let number: u64 =
        number.parse().map_err(|_| Failure::invalid(format!("{number:?} is not the number of a generation")))?;
    let state = app.state().await?;
    let Some(record) = state.nodes.get(&node) else {
        return Err(Failure::not_found(format!("there is no node {node}, or its agent has not been seen yet")));
    };
    let url = format!("{}/v1/generations/{number}", record.api.trim_end_matches('/'));
    match tokio::time::timeout(ANSWER, app.agent(&node).get(url).send()).await {
        Ok(Ok(answer)) => Ok(relay(answer)),
        Ok(Err(_)) | Err(_) => {
            Err(Failure::new(ErrorCode::Conflict, format!("the agent of node {node} does not answer")))
        }
    }
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
    if is_removed(&*app.group.state().await, &node, heartbeat.started) {
        let message = format!("node {node} was removed; start its agent anew to have it join again");
        return Err(Failure::new(ErrorCode::Conflict, message));
    }
    let registration = registration(&*app.group.state().await, &node, &heartbeat, app.clock.now());
    let known = heartbeat.endpoints.clone();
    // Before the registration: else a node that returns would count as heard of long ago, and so as lost again.
    app.leading.heartbeat(&node, heartbeat).await?;
    if let Some(command) = registration {
        settle(app.group.propose(command).await?)?;
    }
    Ok(Json(reply(&app, &node, &known).await?))
}

/// An agent's last report is still true.
pub(crate) async fn alive(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    body: Bytes,
) -> Result<Json<HeartbeatReply>, Failure> {
    let node = name(&node)?;
    let alive: Alive = body::json(body).await?;
    let known = app.leading.alive(&node, &alive).await?;
    let unknown = known.is_none();
    Ok(Json(HeartbeatReply { unknown, ..reply(&app, &node, &known.unwrap_or_default()).await? }))
}

async fn reply(app: &App, node: &Name, known: &BTreeMap<Name, Option<Revision>>) -> Result<HeartbeatReply, Failure> {
    let Promise { every, lease, fence } = app.leading.promise(node).await?;
    let state = app.group.state().await;
    let generation = state.nodes.get(node).map_or(0, |record| record.generation);
    let endpoints = app.leading.look(|seen| view::changed_endpoints(&state, seen, known)).await?;
    let trust = state.trust.mark;
    Ok(HeartbeatReply { generation, every, lease, fence, unknown: false, endpoints, trust })
}
