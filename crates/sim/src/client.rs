use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use icefield_api::{NodeAction, RolloutAction};
use icefield_control::state::{BaseStep, KeyRecord, SecretId, SecretStep};
use icefield_control::vault::{KeyId, Sealed};
use icefield_control::{Applied, Command, ProposeError, State};
use icefield_spec::Spec;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::declare::{BASES, SECRETS, SERVICES, Wish, name, node_name, skeleton};
use crate::history::History;
use crate::hub::{Hub, Silence};
use crate::network::Site;
use crate::server::{Refusal, Server};

/// Somebody who applies specs, sets secrets, steers rollouts, cordons and drains nodes, and reads what is so.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) hub: Arc<Hub>,
    pub(crate) site: Site,
    pub(crate) servers: Arc<[String]>,
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// How many of a thousand things that it does are reads.
    pub(crate) reads: u64,
    pub(crate) history: Arc<History>,
    /// The newest spec that any client wants, and the number of the last one.
    pub(crate) wish: Arc<Mutex<(Wish, u64)>>,
    pub(crate) chance: Chance,
    /// The server that is asked first.
    pub(crate) current: usize,
}

/// What a write came to.
enum Written {
    /// It was done, at this time by the proposer's clock.
    Done(Applied, u64),
    /// It was not done and will not be.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl Client {
    /// How long an answer is awaited.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// How many servers are asked one after the other for one thing.
    const TRIES: usize = 6;
    /// The pause before another one is asked.
    const PAUSE: Duration = Duration::from_millis(50);

    /// Does one thing after the other until it is `over`.
    pub(crate) async fn run(mut self, over: Arc<AtomicBool>) {
        loop {
            let pause = self.chance.within(50..500);
            sleep(Duration::from_millis(pause)).await;
            if over.load(Ordering::Relaxed) {
                return;
            }
            if self.chance.happens(self.reads) {
                self.read().await;
                continue;
            }
            match self.chance.below(8) {
                5..7 => self.steer().await,
                7 => self.rotate().await,
                0..3 => {
                    let spec = self.next_spec();
                    self.apply(spec).await;
                }
                _ => {
                    let action = [NodeAction::Cordon, NodeAction::Drain, NodeAction::Uncordon, NodeAction::Uncordon];
                    let (node, action) = (self.chance.below(self.nodes), action[self.chance.below(4)]);
                    self.wish(node, action).await;
                }
            }
        }
    }

    /// Has every node take replicas and everything run well; tries until that is agreed on.
    pub(crate) async fn settle(mut self) {
        while !self.set_secrets().await {
            sleep(Self::PAUSE).await;
        }
        for node in 0..self.nodes {
            while !self.wish(node, NodeAction::Uncordon).await {
                sleep(Self::PAUSE).await;
            }
        }
        loop {
            // Another one each time: of a spec that was refused once, it is said that it never comes into force.
            let spec = self.last_spec();
            if self.apply(spec).await {
                return;
            }
            sleep(Self::PAUSE).await;
        }
    }

    /// Sees to it that the secrets that specs name are set, and to good values; whether that is known to be so. What is sealed
    /// in them is nothing to the servers.
    async fn set_secrets(&mut self) -> bool {
        let handle = async |server: Arc<Server>| server.read().await;
        let state = match self.hub.request(self.site, self.current, Self::PATIENCE, handle).await {
            Ok(Ok(state)) => state,
            Ok(Err(refusal)) => {
                self.turn(Some(&refusal));
                return false;
            }
            Err(_) => {
                self.turn(None);
                return false;
            }
        };
        let key = KeyId("0".into());
        if state.secrets.key.is_none() {
            let record = KeyRecord { id: key, granted: BTreeMap::new() };
            let step = SecretStep::Key { before: None, last: 0, record, sealed: BTreeMap::new() };
            self.write(&Command::Secret { at: 0, step }).await;
            return false;
        }
        let ids = SECRETS.map(|secret| secret.parse::<SecretId>().expect("it is written here, and as a name is to be"));
        for id in &ids {
            if state.secrets.newest(id).is_none_or(|(_, version)| version.sealed.value.ends_with("bad")) {
                self.set(id.clone(), "").await;
                return false;
            }
        }
        self.learn(&state);
        true
    }

    /// Gives a secret another value, which may be one that nothing does well with.
    async fn rotate(&mut self) {
        let bad = if self.chance.happens(200) { "bad" } else { "" };
        let secret = SECRETS[self.chance.below(SECRETS.len())];
        self.set(secret.parse().expect("it is written here, and as a name is to be"), bad).await;
    }

    async fn set(&mut self, id: SecretId, bad: &str) {
        let value = format!("{id} {}{bad}", self.next_number());
        let sealed = Sealed { key: KeyId("0".into()), data_key: String::new(), value: value.clone() };
        let (floor, subject) = (self.history.ask(), format!("secret {id}"));
        let step = SecretStep::Set { id, sealed, by: "user anna".into() };
        if let Written::Done(Applied::Done(version), at) = self.write(&Command::Secret { at: 0, step }).await {
            self.hub.trace.note(format!("secret {value} is version {version}"));
            self.history.wished(&self.hub, floor, version, at, subject);
        }
    }

    /// Takes note of the versions of secrets that there are.
    fn learn(&self, state: &State) {
        let newest = |secret: &str| Some(state.secrets.newest(&secret.parse().ok()?)?.0);
        if let [Some(one), Some(other)] = SECRETS.map(newest) {
            self.wish.lock().unwrap_or_else(PoisonError::into_inner).0.name_secrets([one, other]);
        }
    }

    fn next_number(&self) -> u64 {
        let mut wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        wish.1 += 1;
        wish.1
    }

    fn last_spec(&self) -> Spec {
        let mut wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        wish.1 += 1;
        let number = wish.1;
        wish.0.settle(number, self.nodes);
        wish.0.spec(self.nodes)
    }

    fn next_spec(&mut self) -> Spec {
        let mut wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        wish.1 += 1;
        let number = wish.1;
        wish.0.change(number, self.nodes, &mut self.chance);
        wish.0.spec(self.nodes)
    }

    /// Applies a spec; whether it is known to be in force.
    async fn apply(&mut self, spec: Spec) -> bool {
        let revision = spec.revision();
        let floor = self.history.propose(&spec);
        let skeleton = skeleton(&spec);
        let written = self.write(&Command::Apply { at: 0, spec: Box::new(spec.clone()), expect: None }).await;
        match written {
            Written::Done(Applied::Done(version), _) => {
                self.hub.trace.note(format!("spec {} is version {version}", revision.short()));
                self.history.applied(&self.hub, floor, version, spec);
                true
            }
            Written::Done(Applied::Unchanged(_), _) => true,
            Written::Done(other, _) => {
                self.hub.fail("specs are taken", format!("{other:?}"));
                false
            }
            Written::Refused => {
                self.history.refused(skeleton);
                false
            }
            Written::Unknown => false,
        }
    }

    /// Wants something of a node; whether that is known to be so.
    async fn wish(&mut self, node: usize, action: NodeAction) -> bool {
        let (floor, node) = (self.history.ask(), node_name(node));
        match self.write(&Command::Node { at: 0, node: node.clone(), action }).await {
            Written::Done(Applied::Done(version), at) => {
                self.hub.trace.note(format!("{action:?} of {node} is version {version}"));
                self.history.wished(&self.hub, floor, version, at, format!("node {node}"));
                true
            }
            Written::Done(Applied::Unchanged(_), _) => true,
            // Its agent may not have registered yet.
            Written::Done(..) | Written::Refused | Written::Unknown => false,
        }
    }

    /// Does something with the rollout of a service or a base, if there is one.
    async fn steer(&mut self) {
        let all = [RolloutAction::Pause, RolloutAction::Resume, RolloutAction::Confirm, RolloutAction::Undo];
        let action = all[self.chance.below(all.len())];
        let (subject, command) = match self.chance.below(SERVICES.len() + BASES.len()) {
            at if at < SERVICES.len() => (SERVICES[at], Command::Steer { at: 0, service: name(SERVICES[at]), action }),
            at => {
                let base = BASES[at - SERVICES.len()];
                (
                    base,
                    Command::Base { at: 0, base: name(base), to: None, seen: None, step: BaseStep::Steer { action } },
                )
            }
        };
        if let Written::Done(Applied::Done(version), _) = self.write(&command).await {
            self.hub.trace.note(format!("{action:?} of {subject} is version {version}"));
        }
    }

    async fn read(&mut self) {
        let floor = self.history.ask();
        let handle = async |server: Arc<Server>| server.read().await;
        match self.hub.request(self.site, self.current, Self::PATIENCE, handle).await {
            Ok(Ok(state)) => {
                self.history.read(&self.hub, floor, &state);
                self.learn(&state);
            }
            Ok(Err(refusal)) => self.turn(Some(&refusal)),
            Err(_) => self.turn(None),
        }
    }

    /// Asks one server after the other, as long as it is sure that none has done it. It is proposed at the server's time.
    async fn write(&mut self, command: &Command) -> Written {
        for _ in 0..Self::TRIES {
            let command = command.clone();
            let handle = async move |server: Arc<Server>| {
                let at = server.clock.now();
                (server.propose(&dated(command, at)).await, at)
            };
            match self.hub.request(self.site, self.current, Self::PATIENCE, handle).await {
                Ok((Ok(applied), at)) => return Written::Done(applied, at),
                Ok((Err(Refusal { error: ProposeError::Unknown | ProposeError::Stopped(_), .. }), _)) => {
                    self.turn(None);
                    return Written::Unknown;
                }
                Ok((Err(refusal), _)) => self.turn(Some(&refusal)),
                Err(Silence::Refused) => self.turn(None),
                Err(Silence::Lost) => {
                    self.turn(None);
                    return Written::Unknown;
                }
            }
            sleep(Self::PAUSE).await;
        }
        Written::Refused
    }

    /// Asks another server next time: the one that is said to lead, or any.
    fn turn(&mut self, refusal: Option<&Refusal>) {
        let leader = refusal.and_then(|refusal| refusal.leader.as_ref());
        let leader = leader.and_then(|leader| self.servers.iter().position(|name| name == leader));
        self.current = leader.unwrap_or_else(|| self.chance.below(self.servers.len()));
    }
}

/// The same command, proposed at another time.
fn dated(command: Command, now: u64) -> Command {
    match command {
        Command::Apply { spec, expect, .. } => Command::Apply { at: now, spec, expect },
        Command::Node { node, action, .. } => Command::Node { at: now, node, action },
        Command::Steer { service, action, .. } => Command::Steer { at: now, service, action },
        Command::Base { base, to, seen, step, .. } => Command::Base { at: now, base, to, seen, step },
        Command::Secret { step, .. } => Command::Secret { at: now, step },
        other => other,
    }
}
