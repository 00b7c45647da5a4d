use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use icefield_api::{
    ErrorCode, RebalanceAnswer, RebalanceProposal, RebalanceRequest, RebalanceStart, RebalanceStop, SCHEMA,
};

use super::app::App;
use super::blocking::blocking;
use super::body;
use super::failure::Failure;
use super::write::Write;
use crate::Command;
use crate::reconcile::{Search, check, propose};
use crate::state::{Rebalance, RebalanceStep};

/// Looks for a better layout.
pub(crate) async fn look(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<RebalanceProposal>, Failure> {
    const DEFAULT: u64 = 5;
    let RebalanceRequest { seconds, moves } = body::json(body).await?;
    let seconds = seconds.unwrap_or(DEFAULT);
    if !(1..=RebalanceRequest::LONGEST).contains(&seconds) {
        let longest = RebalanceRequest::LONGEST;
        return Err(Failure::invalid(format!("seconds is {seconds}; it may be from 1 to {longest}")));
    }
    // Each takes all processors for as long as it looks.
    let Ok(looking) = Arc::clone(&app.looking).try_lock_owned() else {
        return Err(conflict("a better layout is being looked for already; try again when that is done"));
    };
    let (state, ends) = (app.state().await?, app.ends.clone());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    let proposal = blocking(move || {
        // Until the end, also if whoever asked has gone.
        let _looking = looking;
        let spent = || start.elapsed().as_secs_f64() / time.as_secs_f64();
        let stop = || *ends.borrow() || start.elapsed() >= time;
        propose(&state, &Search { moves, threads, stop: &stop, spent: &spent })
    });
    proposal.await?.map(Json).map_err(conflict)
}

/// Starts to carry a proposal out.
pub(crate) async fn start(State(app): State<Arc<App>>, write: Write) -> Result<Json<RebalanceAnswer>, Failure> {
    let RebalanceStart { version: seen, changes } = write.json().await?;
    let prepare = async |state: Arc<crate::State>| {
        if seen < state.basis {
            let message = "the spec, the nodes or the placement have changed since this was proposed; look for a better \
                           layout again";
            return Err(conflict(message));
        }
        let changes = blocking(move || check(&state, &changes)).await?.map_err(conflict)?;
        Ok(Command::Rebalance { at: app.clock.now(), step: RebalanceStep::Start { seen, changes } })
    };
    app.prepare_change(&write, prepare).await?;
    Ok(answer(&app).await)
}

/// Ends what is under way.
pub(crate) async fn stop(State(app): State<Arc<App>>, write: Write) -> Result<Json<RebalanceAnswer>, Failure> {
    let RebalanceStop {} = write.json().await?;
    let step = RebalanceStep::End { reason: "stopped".into() };
    app.change(&write, Command::Rebalance { at: app.clock.now(), step }).await?;
    Ok(answer(&app).await)
}

async fn answer(app: &App) -> Json<RebalanceAnswer> {
    let rebalance = app.group.state().await.rebalance.as_ref().map(Rebalance::status);
    Json(RebalanceAnswer { schema: SCHEMA, rebalance })
}

fn conflict(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Conflict, message)
}
