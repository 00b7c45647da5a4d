use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bytes::Bytes;
use icefield_api::{
    ApplyRequest, ApplyResponse, ErrorBody, ErrorCode, EventKind, History, PlanBasis, PlanReport, SCHEMA,
    UnplacedReplica,
};
use icefield_spec::{Revision, Spec};

use super::app::{App, outdated, settle};
use super::blocking::blocking;
use super::body;
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::secrets::resolved;
use super::write::Write;
use crate::state::{Expected, Outdated, ago};
use crate::{Applied, Command, view};

/// The spec in force.
pub(crate) async fn spec(State(app): State<Arc<App>>, uri: Uri) -> Result<Answer<Spec>, Failure> {
    let read = Read::of(&app, &uri).await?;
    let spec = read.state.spec.as_ref().ok_or_else(|| Failure::not_found("no spec has been applied yet"))?;
    Ok(read.answer(Spec::clone(spec)))
}

/// The specs that were put in force, newest first.
pub(crate) async fn history(State(app): State<Arc<App>>, uri: Uri) -> Result<Answer<History>, Failure> {
    let read = Read::of(&app, &uri).await?;
    let entries = read.state.history.iter().rev().cloned().collect();
    Ok(read.answer(History { schema: SCHEMA, entries, stale: read.stale }))
}

/// What an apply would change.
pub(crate) async fn plan(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<PlanReport>, Failure> {
    let request: ApplyRequest = body::json(body).await?;
    let spec = checked(request.spec).await?;
    let (_, report) = report(app.state().await?, spec).await?;
    Ok(Json(report))
}

/// Puts a spec in force.
pub(crate) async fn apply(State(app): State<Arc<App>>, write: Write) -> Result<Json<ApplyResponse>, Failure> {
    /// How often the plan is made anew because something has changed while it was being made.
    const TURNS: usize = 10;
    let ApplyRequest { spec, allow_unplaced, expect } = write.json().await?;
    let mut spec = checked(spec).await?;
    let mut turn = 0;
    loop {
        turn += 1;
        let state = app.state().await?;
        let plan;
        (spec, plan) = report(Arc::clone(&state), spec).await?;
        let revision = spec.revision();
        let applied = match app.first_answer(&write, &state) {
            Some(first) => first,
            None => {
                if state.spec.as_deref() != Some(&spec) {
                    check_plan(&state, expect.as_ref(), &plan, app.clock.now())?;
                }
                if !plan.unplaced.is_empty() && !allow_unplaced {
                    return Err(unplaced(&plan).into());
                }
                // The state checks it once more, for what comes in between.
                let basis = |expect: &PlanBasis| expect.plan.map(|_| state.basis);
                let expect = expect.map(|expect| Expected { spec: expect.spec, basis: basis(&expect) });
                app.offer(&write, Command::Apply { at: app.clock.now(), spec: Box::new(spec.clone()), expect }).await?
            }
        };
        if matches!(applied, Applied::Outdated(Outdated::Basis)) && turn < TURNS {
            continue;
        }
        let version = settle(applied)?;
        return Ok(Json(ApplyResponse { schema: SCHEMA, revision, version, report: plan }));
    }
}

/// Refuses a plan that is another one now, and says what has happened since it was made.
fn check_plan(state: &crate::State, expect: Option<&PlanBasis>, plan: &PlanReport, now: u64) -> Result<(), Failure> {
    /// How many of the last events are told.
    const TOLD: usize = 10;
    // That another spec is in force is found by the state itself.
    let is_in_force = |expect: &&PlanBasis| state.history.back().map(|entry| entry.revision) == expect.spec;
    let Some(expect) = expect.filter(is_in_force) else { return Ok(()) };
    let differs = |hash: &Revision| *hash != plan.hash();
    if !expect.plan.as_ref().is_some_and(differs) {
        return Ok(());
    }
    let matters = |kind| matches!(kind, EventKind::Node | EventKind::Placement | EventKind::Rollout);
    let since = state.events.iter().rev().take_while(|event| event.number > expect.event);
    let since = since.filter(|event| matters(event.kind)).take(TOLD);
    let mut lines: Vec<String> =
        since.map(|event| format!("{}: {} ({})", event.subject, event.message, ago(now, event.at))).collect();
    lines.reverse();
    Err(outdated("the nodes or the placement have changed", lines))
}

/// Checks a spec by itself.
async fn checked(spec: Spec) -> Result<Spec, Failure> {
    let (spec, problems) = blocking(move || {
        let problems = spec.validate();
        (spec, problems)
    })
    .await?;
    if problems.is_empty() {
        return Ok(spec);
    }
    let message = match problems.len() {
        1 => "the spec has a problem".to_owned(),
        count => format!("the spec has {count} problems"),
    };
    let details = problems.iter().map(ToString::to_string).collect();
    Err(ErrorBody { code: ErrorCode::InvalidSpec, message, details }.into())
}

/// Says what a spec would change.
async fn report(state: Arc<crate::State>, mut spec: Spec) -> Result<(Spec, PlanReport), Failure> {
    state.check_cluster(&spec).map_err(|reason| Failure::new(ErrorCode::Conflict, reason))?;
    resolved(&state, &mut spec)?;
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
