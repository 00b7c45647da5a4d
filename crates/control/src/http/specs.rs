use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use icefield_api::{ApplyRequest, ApplyResponse, ErrorBody, ErrorCode, History, PlanReport, SCHEMA, UnplacedReplica};
use icefield_spec::Spec;

use super::app::App;
use super::asker::Asker;
use super::blocking::blocking;
use super::body;
use super::failure::Failure;
use crate::{Applied, Command, view};

/// The spec in force.
pub(crate) async fn spec(State(app): State<Arc<App>>) -> Result<Json<Spec>, Failure> {
    let state = app.state().await?;
    let spec = state.spec.as_ref().ok_or_else(|| Failure::not_found("no spec has been applied yet"))?;
    Ok(Json(Spec::clone(spec)))
}

/// The specs that were put in force, newest first.
pub(crate) async fn history(State(app): State<Arc<App>>) -> Result<Json<History>, Failure> {
    let state = app.state().await?;
    Ok(Json(History { schema: SCHEMA, entries: state.history.iter().rev().cloned().collect() }))
}

/// What an apply would change.
pub(crate) async fn plan(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<PlanReport>, Failure> {
    let request: ApplyRequest = body::json(body).await?;
    let (_, report) = report(&app, request.spec).await?;
    Ok(Json(report))
}

/// Puts a spec in force.
pub(crate) async fn apply(
    State(app): State<Arc<App>>,
    asker: Asker,
    body: Bytes,
) -> Result<Json<ApplyResponse>, Failure> {
    let ApplyRequest { spec, allow_unplaced } = body::json(body).await?;
    let (spec, report) = report(&app, spec).await?;
    if !report.unplaced.is_empty() && !allow_unplaced {
        return Err(unplaced(&report).into());
    }
    let revision = spec.revision();
    let command = Command::Apply { at: app.clock.now(), spec: Box::new(spec) };
    let version = match app.group.offer(&asker.asks(command)).await? {
        Applied::Done(version) | Applied::Unchanged(version) => version,
        Applied::Refused(reason) => return Err(Failure::new(ErrorCode::Conflict, reason)),
    };
    Ok(Json(ApplyResponse { schema: SCHEMA, revision, version, report }))
}

/// Checks a spec and says what it would change.
async fn report(app: &App, spec: Spec) -> Result<(Spec, PlanReport), Failure> {
    let (spec, problems) = blocking(move || {
        let problems = spec.validate();
        (spec, problems)
    })
    .await?;
    if !problems.is_empty() {
        let message = match problems.len() {
            1 => "the spec has a problem".to_owned(),
            count => format!("the spec has {count} problems"),
        };
        let details = problems.iter().map(ToString::to_string).collect();
        return Err(ErrorBody { code: ErrorCode::InvalidSpec, message, details }.into());
    }
    let state = app.state().await?;
    if let Some(here) = state.spec.as_ref().map(|known| &known.cluster).filter(|here| **here != spec.cluster) {
        let message = format!(
            "this is the cluster {here}, and the spec is of the cluster {}; is it the right file? A cluster keeps its name",
            spec.cluster
        );
        return Err(Failure::new(ErrorCode::Conflict, message));
    }
    blocking(move || {
        let report = view::plan_report(&state, &spec);
        (spec, report)
    })
    .await
}

/// Says which replicas would fit nowhere, and why.
fn unplaced(report: &PlanReport) -> ErrorBody {
    const SHOWN: usize = 20;
    let message = match report.unplaced.len() {
        1 => "one replica would fit nowhere".to_owned(),
        count => format!("{count} replicas would fit nowhere"),
    };
    // Neighbours that fit nowhere for the same reasons share a line.
    let alike = |a: &UnplacedReplica, b: &UnplacedReplica| {
        a.service == b.service && a.index.checked_add(1) == Some(b.index) && a.reasons == b.reasons
    };
    let line = |neighbours: &[UnplacedReplica]| {
        let [first, rest @ ..] = neighbours else { return String::new() };
        let which = match rest.last() {
            Some(last) => format!("{}/{} to {}/{}", first.service, first.index, last.service, last.index),
            None => format!("{}/{}", first.service, first.index),
        };
        let reasons = first.reasons.iter().map(|reason| match reason.fix.as_str() {
            "" => format!("{} excludes {} nodes", reason.rule, reason.nodes),
            fix => format!("{} excludes {} nodes ({fix})", reason.rule, reason.nodes),
        });
        format!("{which}: {}", reasons.collect::<Vec<_>>().join("; "))
    };
    let mut lines = report.unplaced.chunk_by(alike).map(line);
    let mut details: Vec<String> = lines.by_ref().take(SHOWN).collect();
    match lines.count() {
        0 => {}
        more => details.push(format!("… and {more} more lines like these")),
    }
    ErrorBody { code: ErrorCode::Unplaced, message, details }
}
