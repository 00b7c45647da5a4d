use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use icefield_api::{ErrorBody, ErrorCode, Http, Keyring, ServerStatus, Stale};
use icefield_pki::Expect;
use icefield_spec::Name;
use tokio::sync::{Mutex, watch};

use super::admission::Admission;
use super::dates::Dates;
use super::failure::Failure;
use super::lineups::Lineups;
use super::write::Write;
use crate::access::Throttle;
use crate::cataloguer::Cataloguer;
use crate::clock::Clock;
use crate::leading::Leading;
use crate::observe::Observations;
use crate::raft::{Group, Leader, Seat, Timings};
use crate::state::{Outdated, Proposal};
use crate::vault::Vault;
use crate::{Applied, Command, State, view};

/// What the handlers of requests share.
pub(crate) struct App {
    pub(crate) group: Arc<Group>,
    pub(crate) leading: Arc<Leading>,
    pub(crate) cataloguer: Arc<Cataloguer>,
    pub(crate) clock: Clock,
    pub(crate) timings: Timings,
    /// The URL that this server is reached by.
    pub(crate) api: String,
    /// What this server proves itself with; `None` without TLS.
    pub(crate) keyring: Option<Keyring>,
    /// What opens the secrets.
    pub(crate) vault: Arc<Vault>,
    /// What the other servers are reached with.
    pub(crate) http: Http,
    /// Bounds what is written down of refusals.
    pub(crate) throttle: std::sync::Mutex<Throttle>,
    /// What dates requests.
    pub(crate) dates: std::sync::Mutex<Dates>,
    /// Held as long as a better layout is looked for.
    pub(crate) looking: Arc<Mutex<()>>,
    /// Who stands where for the closures that were asked for lately.
    pub(crate) lineups: std::sync::Mutex<Lineups>,
    /// What lets requests in.
    pub(crate) admission: Admission,
    /// When this server last heard of another one that leads, in milliseconds since 1970; 0 if it has not yet.
    pub(crate) leader_heard: AtomicU64,
    /// True when the server ends: nothing waits any longer then.
    pub(crate) ends: watch::Receiver<bool>,
}

impl App {
    /// The state as it is now, for sure: this server leads, and has all that was agreed on before.
    pub(crate) async fn state(&self) -> Result<Arc<State>, Failure> {
        Ok(self.group.current_state().await?)
    }

    /// What the agent of a node is reached with, and nobody else at its address.
    pub(crate) fn agent(&self, node: &Name) -> reqwest::Client {
        match &self.keyring {
            Some(keyring) => {
                Http::new(Default::default(), Some(keyring.client_config(Expect::Node(node.clone())))).get()
            }
            None => self.http.get(),
        }
    }

    /// Whether there is a server of this name in the group.
    pub(crate) fn has_seat(&self, name: &Name) -> bool {
        self.group.seats().iter().any(|seat| seat.member.name == name.as_str())
    }

    /// Has the command of a request agreed on; gives back the version of the state that has it.
    pub(crate) async fn change(&self, write: &Write, command: Command) -> Result<u64, Failure> {
        settle(self.offer(write, command).await?)
    }

    /// The same for a command that `prepare` first makes from the state: unless the request was carried out before.
    pub(crate) async fn prepare_change<F>(
        &self,
        write: &Write,
        prepare: impl FnOnce(Arc<State>) -> F,
    ) -> Result<u64, Failure>
    where
        F: Future<Output = Result<Command, Failure>>,
    {
        let state = self.state().await?;
        match self.first_answer(write, &state) {
            Some(first) => settle(first),
            None => self.change(write, prepare(state).await?).await,
        }
    }

    /// What became of the command of a request.
    pub(crate) async fn offer(&self, write: &Write, command: Command) -> Result<Applied, Failure> {
        let request = Some(write.request(self.date().await));
        Ok(self.group.offer(&Proposal { command, request, author: write.author() }).await?)
    }

    /// The date of a request that comes now.
    async fn date(&self) -> u64 {
        let now = self.clock.now();
        // If it does not lead, nothing is agreed on.
        let Leader::Me(term) = *self.group.leader().borrow() else { return now };
        let dates = || self.dates.lock().unwrap_or_else(PoisonError::into_inner);
        let date = dates().date(term, now);
        match date {
            Some(date) => date,
            None => {
                let newest = self.group.state().await.requests.newest();
                dates().begin(term, newest, now)
            }
        }
    }

    /// What became of a request, if it was carried out before.
    pub(crate) fn first_answer(&self, write: &Write, state: &State) -> Option<Applied> {
        state.requests.outcome(&write.request(self.clock.now()))
    }

    /// Of when an answer is that is made from `state` without asking anybody.
    pub(crate) fn stale(&self, state: &State) -> Stale {
        let leading = self.group.listened_to().map(|ago| {
            let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
            self.clock.now().saturating_sub(ago)
        });
        let heard = leading.or_else(|| Some(self.leader_heard.load(Ordering::Relaxed)).filter(|heard| *heard > 0));
        Stale { version: state.version, leader_heard: heard }
    }

    /// What the answers say of the servers.
    pub(crate) fn servers(&self) -> view::Group {
        let leader = match &*self.group.leader().borrow() {
            Leader::Nobody => None,
            Leader::Other(member) => Some(member.name.clone()),
            Leader::Me(_) => Some(self.group.name().to_owned()),
        };
        let status = |seat: Seat| ServerStatus {
            leader: leader.as_ref() == Some(&seat.member.name),
            voter: seat.votes,
            name: seat.member.name,
            api: seat.member.api,
        };
        let servers = self.group.seats().into_iter().map(status).collect();
        view::Group { api: self.api.clone(), leader, servers }
    }

    /// Computes something from the state and what was seen; nothing was if this server does not lead.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        state: Arc<State>,
        look: impl FnOnce(&State, Option<&Observations>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let seen = self.leading.hold().await;
        super::blocking::blocking(move || look(&state, seen.as_ref())).await
    }
}

/// What a request gets to hear of what became of its command.
pub(crate) fn settle(applied: Applied) -> Result<u64, Failure> {
    match applied {
        Applied::Done(version) | Applied::Unchanged(version) => Ok(version),
        Applied::Refused(reason) => Err(Failure::new(ErrorCode::Conflict, reason)),
        Applied::Outdated(Outdated::Spec(details)) => Err(outdated("another spec was put in force", details)),
        Applied::Outdated(Outdated::Basis) => Err(outdated("the nodes or the placement have changed", Vec::new())),
        Applied::KeyReused => Err(Failure::new(
            ErrorCode::KeyReused,
            "this idempotency key was another request's; give each request a key of its own",
        )),
    }
}

/// The refusal of a plan that is no longer what would happen.
pub(crate) fn outdated(what: &str, details: Vec<String>) -> Failure {
    let message = format!("the plan is out of date: {what} since it was made; nothing was changed, plan again");
    ErrorBody { code: ErrorCode::PlanOutdated, message, details }.into()
}

/// Reads a name in a path.
pub(crate) fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::invalid(error.to_string()))
}
