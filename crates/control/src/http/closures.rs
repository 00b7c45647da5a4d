use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use icefield_api::{ClosurePeers, SCHEMA};
use serde::Deserialize;

use super::app::{App, name};
use super::failure::Failure;
use super::watch;
use crate::view::Lineup;

/// For how long a lineup is good, in milliseconds: many nodes ask for the same closure at the same time.
const GOOD: u64 = 1_000;
/// The length of what a path of a store begins with.
const HASH: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    hash: String,
}

/// Whom a node may get a closure from.
pub(crate) async fn peers(
    State(app): State<Arc<App>>,
    Path(node): Path<String>,
    uri: Uri,
) -> Result<Json<ClosurePeers>, Failure> {
    let node = name(&node)?;
    let Asked { hash } = watch::query(&uri)?;
    if hash.len() != HASH || !hash.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        let message = format!("{hash:?} is not what a path of a store begins with; write its first {HASH} characters");
        return Err(Failure::invalid(message));
    }
    let now = app.clock.now();
    let recent = {
        let mut lineups = app.lineups.lock().unwrap_or_else(PoisonError::into_inner);
        lineups.retain(|_, (at, _)| now.saturating_sub(*at) < GOOD);
        lineups.get(&hash).map(|(_, lineup)| Arc::clone(lineup))
    };
    let lineup = match recent {
        Some(lineup) => lineup,
        None => {
            let state = app.group.state().await;
            let lineup = Arc::new(app.leading.look(|seen| Lineup::new(&state, seen, &hash)).await?);
            let kept = (now, Arc::clone(&lineup));
            app.lineups.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, kept);
            lineup
        }
    };
    let path = lineup.path_for(&node).cloned();
    Ok(Json(ClosurePeers { schema: SCHEMA, path, peers: lineup.above(&node) }))
}
