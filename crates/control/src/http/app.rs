use std::sync::Arc;

use icefield_api::{Http, Keyring, ServerStatus};
use icefield_pki::Expect;
use icefield_spec::Name;
use tokio::sync::{Mutex, watch};

use super::failure::Failure;
use crate::State;
use crate::access::Throttle;
use crate::clock::Clock;
use crate::leading::Leading;
use crate::observe::Observations;
use crate::raft::{Group, Leader, Seat, Timings};
use crate::reconcile::Config;
use crate::view;

/// What the handlers of requests share.
pub(crate) struct App {
    pub(crate) group: Arc<Group>,
    pub(crate) leading: Arc<Leading>,
    pub(crate) clock: Clock,
    pub(crate) timings: Timings,
    pub(crate) config: Config,
    /// The URL that this server is reached by.
    pub(crate) api: String,
    /// What this server proves itself with; `None` without TLS.
    pub(crate) keyring: Option<Keyring>,
    /// What the other servers are reached with.
    pub(crate) http: Http,
    /// Bounds what is written down of refusals.
    pub(crate) throttle: std::sync::Mutex<Throttle>,
    /// Held as long as a better layout is looked for.
    pub(crate) looking: Arc<Mutex<()>>,
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

    /// Computes something from the state and what was seen.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        state: Arc<State>,
        look: impl FnOnce(&State, &Observations) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let seen = self.leading.hold().await;
        let looked = super::blocking::blocking(move || seen.as_ref().map(|seen| look(&state, seen))).await?;
        looked.ok_or_else(Failure::not_leader)
    }
}

/// Reads a name in a path.
pub(crate) fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::invalid(error.to_string()))
}
