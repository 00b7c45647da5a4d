use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use icefield_api::{Event, Events, SCHEMA, Status};

use super::app::App;
use super::failure::Failure;
use super::watch::{self, Watch};
use crate::view;

/// What is true now.
pub(crate) async fn status(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<Status>, Failure> {
    let watch: Watch = watch::query(&uri)?;
    app.state().await?;
    let index = || async {
        let state = app.group.state().await;
        Ok(app.leading.look(|seen| view::status_index(&state, seen)).await?)
    };
    watch.until(&app, index).await?;
    let (state, servers) = (app.group.state().await, app.servers());
    let status = app.look(state, move |state, seen| view::status(state, seen, servers)).await?;
    Ok(Json(status))
}

/// What happened, oldest first.
pub(crate) async fn events(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<Events>, Failure> {
    let watch: Watch = watch::query(&uri)?;
    app.state().await?;
    watch.until(&app, || async { Ok(app.group.state().await.last_event) }).await?;
    let state = app.group.state().await;
    let is_wanted = |event: &&Event| watch.after().is_none_or(|after| event.number > after);
    Ok(Json(Events { schema: SCHEMA, events: state.events.iter().filter(is_wanted).cloned().collect() }))
}
