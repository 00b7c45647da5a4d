use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{Client, Http, ServerKeyRequest};

use super::{ClusterKey, Sealed, ServerKey, VaultError};
use crate::clock::Clock;
use crate::raft::{Group, Leader};
use crate::state::{Grant, KeyRecord, SecretStep};
use crate::{Command, State};

/// This server's way to the secrets.
pub(crate) struct Vault {
    /// The server's name.
    server: String,
    key: ServerKey,
}

/// What the leader has to do about the cluster key.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// A server is to be granted it.
    Grant(String),
    /// One that has it is gone, or has another key of its own: there must be another one.
    Change,
}

impl Vault {
    /// That of the server `server`, whose folder is `data`.
    pub(crate) fn of(data: &Path, server: &str) -> io::Result<Self> {
        Ok(Self { server: server.to_owned(), key: ServerKey::of(data)? })
    }

    /// The cluster key, if it was granted to this server; `None` if there is none yet.
    ///
    /// # Errors
    /// There is one, and this server does not have it.
    pub(crate) fn cluster_key(&self, state: &State) -> Result<Option<ClusterKey>, VaultError> {
        let Some(record) = &state.secrets.key else { return Ok(None) };
        let grant = record.granted.get(&self.server).ok_or(VaultError::Closed)?;
        ClusterKey::granted(&self.key, &grant.sealed).map(Some)
    }

    /// What has `state` use its first cluster key; at first this server alone has it. The same for one whose key no server
    /// of `seats` has any more: then all secrets are lost, and go.
    pub(crate) fn first_key(&self, state: &State, seats: &BTreeSet<String>) -> Result<Option<SecretStep>, VaultError> {
        let lost = |record: &KeyRecord| !record.granted.keys().any(|server| seats.contains(server));
        if state.secrets.key.as_ref().is_some_and(|record| !lost(record)) {
            return Ok(None);
        }
        let key = ClusterKey::generate()?;
        let record = self.record(&key, [(self.server.clone(), self.key.public())])?;
        let before = state.secrets.key.as_ref().map(|record| record.id.clone());
        Ok(Some(SecretStep::Key { before, last: state.secrets.last, record, sealed: BTreeMap::new() }))
    }

    fn record(
        &self,
        key: &ClusterKey,
        servers: impl IntoIterator<Item = (String, super::PublicKey)>,
    ) -> Result<KeyRecord, VaultError> {
        let grant = |(server, public): (String, super::PublicKey)| {
            let sealed = key.grant(&public)?;
            Ok((server, Grant { public, sealed }))
        };
        let granted = servers.into_iter().map(grant).collect::<Result<_, VaultError>>()?;
        Ok(KeyRecord { id: key.id().clone(), granted })
    }

    /// The step that `due` needs.
    fn step(&self, state: &State, seats: &BTreeSet<String>, due: Due) -> Result<Option<SecretStep>, VaultError> {
        let Some(key) = self.cluster_key(state)? else { return Ok(None) };
        let secrets = &state.secrets;
        match due {
            Due::Grant(server) => {
                let Some(public) = secrets.servers.get(&server).cloned() else { return Ok(None) };
                let sealed = key.grant(&public)?;
                Ok(Some(SecretStep::Grant { server, key: key.id().clone(), grant: Grant { public, sealed } }))
            }
            Due::Change => {
                let next = ClusterKey::generate()?;
                let members = secrets.servers.iter().filter(|(server, _)| seats.contains(*server));
                let record = self.record(&next, members.map(|(server, public)| (server.clone(), public.clone())))?;
                let mut sealed: BTreeMap<u64, Sealed> = BTreeMap::new();
                for (id, record) in &secrets.records {
                    for (number, version) in &record.versions {
                        sealed.insert(*number, key.rewrap(&id.to_string(), &version.sealed, &next)?);
                    }
                }
                let before = Some(key.id().clone());
                Ok(Some(SecretStep::Key { before, last: secrets.last, record, sealed }))
            }
        }
    }
}

/// What is to be done about the cluster key, if anything is; `seats` are the servers of the group.
fn due(state: &State, seats: &BTreeSet<String>) -> Option<Due> {
    let record = state.secrets.key.as_ref()?;
    let servers = &state.secrets.servers;
    let is_good = |(server, grant): (&String, &Grant)| {
        seats.contains(server) && servers.get(server).is_none_or(|public| *public == grant.public)
    };
    if !record.granted.iter().all(is_good) {
        return Some(Due::Change);
    }
    let waits = servers.keys().find(|server| seats.contains(*server) && !record.granted.contains_key(*server));
    waits.map(|server| Due::Grant(server.clone()))
}

/// Sees to it, for as long as it is awaited, that this server has the cluster key, and while it leads that every other server
/// of the group has it and nobody else.
pub(crate) async fn keep(group: Arc<Group>, vault: Arc<Vault>, http: Http, clock: Clock) {
    /// What changes within this time goes together.
    const APART: Duration = Duration::from_millis(200);
    let mut changes = group.changes();
    loop {
        changes.borrow_and_update();
        let acted = act(&group, &vault, &http, clock).await;
        if let Err(error) = &acted {
            tracing::debug!(error, "the key of the secrets is not as it should be yet");
        }
        tokio::time::sleep(APART).await;
        // Seats change without the state.
        let pause = if acted == Ok(true) { Duration::ZERO } else { APART * 5 };
        if let Ok(Err(_)) = tokio::time::timeout(pause, changes.changed()).await {
            return;
        }
    }
}

/// Does what is due now; whether it did anything.
async fn act(group: &Group, vault: &Vault, http: &Http, clock: Clock) -> Result<bool, String> {
    let leader = group.leader().borrow().clone();
    let (step, public) = {
        let state = group.state().await;
        if state.secrets.key.is_none() {
            return Ok(false);
        }
        let known = state.secrets.servers.get(&vault.server) == Some(&vault.key.public());
        let public = (!known).then(|| vault.key.public());
        let seats = seats(group);
        let due = due(&state, &seats).filter(|_| matches!(leader, Leader::Me(_)) && public.is_none());
        let step = due.map(|due| vault.step(&state, &seats, due)).transpose().map_err(|error| error.to_string())?;
        (step.flatten(), public)
    };
    match (public, step, leader) {
        (Some(public), _, Leader::Me(_)) => {
            let step = SecretStep::Public { server: vault.server.clone(), public };
            propose(group, clock, step).await
        }
        (Some(public), _, Leader::Other(leader)) => {
            let client = Client::over(http.clone(), [leader.api]);
            let told = client.server_key(&vault.server, &ServerKeyRequest { public: public.to_string() }).await;
            told.map(|_| true).map_err(|error| error.to_string())
        }
        (None, Some(step), _) => propose(group, clock, step).await,
        (Some(_), _, Leader::Nobody) | (None, None, _) => Ok(false),
    }
}

async fn propose(group: &Group, clock: Clock, step: SecretStep) -> Result<bool, String> {
    let applied = group.propose(Command::Secret { at: clock.now(), step }).await;
    applied.map(|_| true).map_err(|error| error.to_string())
}

/// The names of the servers of the group.
pub(crate) fn seats(group: &Group) -> BTreeSet<String> {
    group.seats().into_iter().map(|seat| seat.member.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SecretId;

    fn vault(server: &str) -> Vault {
        Vault { server: server.to_owned(), key: ServerKey::generate() }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The state after a step that must be done.
    fn done(state: &mut State, step: SecretStep) {
        let applied = state.apply(state.version + 1, Command::Secret { at: 1, step });
        assert!(matches!(applied, crate::Applied::Done(_)), "{applied:?}");
    }

    #[test]
    fn who_joins_is_granted_the_key_and_who_leaves_changes_it() {
        let (one, two) = (vault("s1"), vault("s2"));
        let mut state = State::default();
        let both = names(&["s1", "s2"]);
        let first = one.first_key(&state, &both).unwrap().unwrap();
        done(&mut state, first);
        assert_eq!(one.first_key(&state, &both), Ok(None), "there is one");
        let key = one.cluster_key(&state).unwrap().unwrap();
        let id: SecretId = "db".parse().unwrap();
        let sealed = key.seal("db", &b"hunter2".to_vec().into()).unwrap();
        done(&mut state, SecretStep::Set { id, sealed, by: "anna".into() });
        assert_eq!(due(&state, &both), None, "s2 has not made its key known");
        assert!(two.cluster_key(&state).is_err());

        done(&mut state, SecretStep::Public { server: "s2".into(), public: two.key.public() });
        let grant = due(&state, &both).unwrap();
        assert_eq!(grant, Due::Grant("s2".into()));
        let grant = one.step(&state, &both, grant).unwrap().unwrap();
        done(&mut state, grant);
        assert_eq!(two.cluster_key(&state).unwrap().unwrap().id(), key.id());
        assert_eq!(due(&state, &both), None);

        let left = names(&["s2"]);
        assert_eq!(due(&state, &left), Some(Due::Change));
        let change = two.step(&state, &left, Due::Change).unwrap().unwrap();
        done(&mut state, change);
        assert_eq!(due(&state, &left), None);
        assert!(one.cluster_key(&state).is_err(), "the one that left has the new key not");
        let next = two.cluster_key(&state).unwrap().unwrap();
        assert_ne!(next.id(), key.id());
        let (_, version) = state.secrets.version(1).unwrap();
        assert_eq!(next.open("db", &version.sealed).unwrap().reveal(), b"hunter2");
        assert!(key.open("db", &version.sealed).is_err());
    }

    #[test]
    fn a_server_with_another_key_of_its_own_changes_it_too() {
        let (one, two, again) = (vault("s1"), vault("s2"), vault("s2"));
        let mut state = State::default();
        let both = names(&["s1", "s2"]);
        let first = one.first_key(&state, &both).unwrap().unwrap();
        done(&mut state, first);
        done(&mut state, SecretStep::Public { server: "s2".into(), public: two.key.public() });
        let grant = one.step(&state, &both, Due::Grant("s2".into())).unwrap().unwrap();
        done(&mut state, grant);
        done(&mut state, SecretStep::Public { server: "s2".into(), public: again.key.public() });
        assert_eq!(due(&state, &both), Some(Due::Change));
        let change = one.step(&state, &both, Due::Change).unwrap().unwrap();
        done(&mut state, change);
        assert!(two.cluster_key(&state).is_err() && again.cluster_key(&state).is_ok());
    }

    #[test]
    fn a_key_that_nobody_has_any_more_is_given_up() {
        let (gone, new) = (vault("s1"), vault("s2"));
        let mut state = State::default();
        let first = gone.first_key(&state, &names(&["s1"])).unwrap().unwrap();
        done(&mut state, first);
        let key = gone.cluster_key(&state).unwrap().unwrap();
        let sealed = key.seal("db", &b"x".to_vec().into()).unwrap();
        done(&mut state, SecretStep::Set { id: "db".parse().unwrap(), sealed, by: String::new() });
        let next = new.first_key(&state, &names(&["s2"])).unwrap().unwrap();
        done(&mut state, next);
        assert!(state.secrets.records.is_empty() && state.secrets.last == 1);
        assert!(new.cluster_key(&state).unwrap().is_some());
    }
}
