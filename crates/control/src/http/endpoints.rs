use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{EndpointChanges, EndpointMark, ErrorCode, ServiceEndpoints};
use serde::Deserialize;
use tokio::time::Instant;

use super::app::{App, name};
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::watch::{LONGEST, Watch, query};
use crate::catalog::Catalog;
use crate::raft::Leader;
use crate::view;

/// How long it may take until a catalog is there that nobody has asked for before.
const FIRST: Duration = Duration::from_secs(5);

/// Where a service's healthy replicas are reached.
pub(crate) async fn of_service(
    State(app): State<Arc<App>>,
    Path(service): Path<String>,
    uri: Uri,
) -> Result<Answer<ServiceEndpoints>, Failure> {
    let service = name(&service)?;
    let absent = || Failure::not_found(format!("there is no service {service}"));
    let watch: Watch = query(&uri)?;
    let read = Read::new(&app, watch.stale).await?;
    if !read.state.services.contains_key(&service) {
        return Err(absent());
    }
    if let Some(after) = watch.after().filter(|_| read.stale.is_none()) {
        let is_news = |catalog: &Catalog| catalog.index_of(service.as_str()).is_some_and(|index| index > after);
        let catalog = until(&app, watch.longest(), is_news).await?;
        return Ok(read.answer(catalog.service(service.as_str()).ok_or_else(absent)?));
    }
    // Whoever waits for nothing wants to know what is so now, and not what watches were told last.
    let index = app.cataloguer.subscribe().borrow().as_ref().and_then(|catalog| catalog.index_of(service.as_str()));
    let look = move |state: &_, seen: Option<&_>| seen.map(|seen| view::endpoints(state, seen, &service));
    match app.look(Arc::clone(&read.state), look).await? {
        Some(endpoints) => Ok(read.answer(ServiceEndpoints { index: index.unwrap_or(0), endpoints })),
        None if read.stale.is_some() => {
            let message = "only the leading server knows which replicas are healthy; ask without stale=true";
            Err(Failure::new(ErrorCode::Conflict, message))
        }
        None => Err(Failure::not_leader()),
    }
}

/// How a watch of all endpoints asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    after: Option<u64>,
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    wait: u64,
}

/// Where all services are reached, or what of that has changed.
pub(crate) async fn all(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<EndpointChanges>, Failure> {
    let Changes { after, epoch, wait } = query(&uri)?;
    let known = after.map(|index| EndpointMark { epoch, index });
    Read::new(&app, false).await?;
    let longest = Duration::from_millis(wait).min(LONGEST);
    let catalog = until(&app, longest, |catalog| catalog.has_news(known)).await?;
    Ok(Json(catalog.since(known)))
}

/// The catalog once it is as wanted, or as it stands after `longest`.
async fn until(app: &App, longest: Duration, is_news: impl Fn(&Catalog) -> bool) -> Result<Arc<Catalog>, Failure> {
    let (first, until) = (Instant::now() + FIRST, Instant::now() + longest);
    let mut catalogs = app.cataloguer.subscribe();
    let (mut leader, mut ends) = (app.group.leader(), app.ends.clone());
    loop {
        let catalog = catalogs.borrow_and_update().clone();
        let deadline = match catalog {
            Some(catalog) if is_news(&catalog) || Instant::now() >= until => return Ok(catalog),
            Some(_) => until,
            None if Instant::now() >= first => return Err(Failure::not_leader()),
            None => first,
        };
        tokio::select! {
            _ = catalogs.changed() => {}
            _ = leader.wait_for(|leader| !matches!(leader, Leader::Me(_))) => return Err(Failure::not_leader()),
            _ = ends.wait_for(|ends| *ends) => return Err(Failure::ending()),
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}
