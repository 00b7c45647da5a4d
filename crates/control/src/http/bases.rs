use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{BaseHistory, BaseRolloutAnswer, RolloutAction, SCHEMA};
use icefield_spec::Name;

use super::app::{App, name};
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::write::Write;
use crate::state::BaseStep;
use crate::{Command, view};

/// The last rollouts of a base, newest first.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Path(base): Path<String>,
    uri: Uri,
) -> Result<Answer<BaseHistory>, Failure> {
    let base = name(&base)?;
    let read = Read::of(&app, &uri).await?;
    let history = view::base_history(&read.state, &base).ok_or_else(|| absent(&base))?;
    Ok(read.answer(BaseHistory { stale: read.stale, ..history }))
}

/// Pauses, resumes, confirms or undoes the rollout of a base.
pub(crate) async fn steer(
    State(app): State<Arc<App>>,
    Path(base): Path<String>,
    write: Write,
) -> Result<Json<BaseRolloutAnswer>, Failure> {
    let base = name(&base)?;
    let action: RolloutAction = write.json().await?;
    let prepare = async |state: Arc<crate::State>| match state.bases.contains_key(&base) {
        true => {
            let step = BaseStep::Steer { action };
            Ok(Command::Base { at: app.clock.now(), base: base.clone(), to: None, seen: None, step })
        }
        false => Err(absent(&base)),
    };
    app.prepare_change(&write, prepare).await?;
    let state = app.group.state().await;
    let status = app.leading.look(|seen| view::base_status(&state, seen, &base)).await?;
    let status = status.ok_or_else(|| absent(&base))?;
    Ok(Json(BaseRolloutAnswer { schema: SCHEMA, base, rollout: status.rollout }))
}

fn absent(base: &Name) -> Failure {
    Failure::not_found(format!("there is no base {base} whose nodes are to run a system"))
}
