use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{RolloutAction, RolloutAnswer, RolloutHistory, SCHEMA};
use icefield_spec::Name;

use super::app::{App, name};
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::write::Write;
use crate::{Command, view};

/// The last rollouts of a service, newest first.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Path(service): Path<String>,
    uri: Uri,
) -> Result<Answer<RolloutHistory>, Failure> {
    let service = name(&service)?;
    let read = Read::of(&app, &uri).await?;
    let history = view::rollout_history(&read.state, &service).ok_or_else(|| absent(&service))?;
    Ok(read.answer(RolloutHistory { stale: read.stale, ..history }))
}

/// Pauses, resumes, confirms or undoes a rollout.
pub(crate) async fn steer(
    State(app): State<Arc<App>>,
    Path(service): Path<String>,
    write: Write,
) -> Result<Json<RolloutAnswer>, Failure> {
    let service = name(&service)?;
    let action: RolloutAction = write.json().await?;
    let prepare = async |state: Arc<crate::State>| match state.services.contains_key(&service) {
        true => Ok(Command::Steer { at: app.clock.now(), service: service.clone(), action }),
        false => Err(absent(&service)),
    };
    app.prepare_change(&write, prepare).await?;
    let state = app.group.state().await;
    let rollout = app.leading.look(|seen| view::rollout_status(&state, seen, &service)).await?;
    let rollout = rollout.ok_or_else(|| absent(&service))?;
    Ok(Json(RolloutAnswer { schema: SCHEMA, service, rollout }))
}

fn absent(service: &Name) -> Failure {
    Failure::not_found(format!("there is no service {service}"))
}
