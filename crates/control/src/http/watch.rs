use std::time::Duration;

use axum::extract::Query;
use axum::http::Uri;
use icefield_api::RebalanceRequest;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::app::App;
use super::failure::Failure;
use crate::raft::Leader;

/// The longest that a watch may wait.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// How a watch asks: answer once the index is greater than `after`, or when `wait` is over.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watch {
    after: Option<u64>,
    wait: Option<u64>,
    /// Whether by what this server has itself.
    #[serde(default)]
    pub(crate) stale: bool,
}

/// What an index rises with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rises {
    /// With the state alone.
    WithState,
    /// Also with what is seen of the nodes: far more often.
    WithSightings,
}

/// Reads the query of a request.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    let query = Query::<T>::try_from_uri(uri).map_err(|error| Failure::invalid(error.body_text()))?;
    Ok(query.0)
}

impl Watch {
    /// What the index must exceed; `None` if the answer is wanted at once.
    pub(crate) fn after(&self) -> Option<u64> {
        self.after
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_millis(self.wait.unwrap_or(0)).min(LONGEST)
    }

    /// Waits until `index` gives more than was asked for, and looks again whenever what it rises with changes.
    pub(crate) async fn until<F>(&self, app: &App, rises: Rises, index: impl Fn() -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<u64, Failure>>,
    {
        let Some(after) = self.after else { return Ok(()) };
        let until = Instant::now() + self.longest();
        let (mut changes, mut sightings) = (app.group.changes(), app.leading.sightings());
        let (mut leader, mut ends) = (app.group.leader(), app.ends.clone());
        loop {
            changes.borrow_and_update();
            sightings.borrow_and_update();
            if index().await? > after {
                return Ok(());
            }
            tokio::select! {
                _ = changes.changed() => {}
                _ = sightings.changed(), if rises == Rises::WithSightings => {}
                _ = leader.wait_for(|leader| !matches!(leader, Leader::Me(_))), if !self.stale => {
                    return Err(Failure::not_leader());
                }
                _ = ends.wait_for(|ends| *ends) => return Err(Failure::ending()),
                () = tokio::time::sleep_until(until) => return Ok(()),
            }
        }
    }
}

/// How long the head of the answer to a request may be waited for by another server that passes it on.
pub(crate) fn patience(uri: &Uri) -> Duration {
    const ANSWER: Duration = Duration::from_secs(10);
    if uri.path() == "/v1/rebalance" {
        return ANSWER + Duration::from_secs(RebalanceRequest::LONGEST);
    }
    let wait = Query::<Wait>::try_from_uri(uri).ok().and_then(|query| query.0.wait).unwrap_or(0);
    ANSWER + Duration::from_millis(wait).min(LONGEST)
}

#[derive(Debug, Deserialize)]
struct Wait {
    wait: Option<u64>,
}
