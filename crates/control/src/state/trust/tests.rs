use std::time::Duration;

use icefield_api::{JoinRole, Role, RotationPhase, TokenProof};
use icefield_pki::{Authority, Chain, Identity, JoinToken, KeyPair, UserToken};
use icefield_spec::Revision;

use super::*;
use crate::observe::Observations;
use crate::reconcile::{Config, reconcile};
use crate::state::sample::{Sample, name};
use crate::{Applied, Command};

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

/// A cluster with an authority.
struct Cluster {
    sample: Sample,
    now: u64,
}

fn authority() -> Authority {
    Authority::create(&name("shop"), NOW).unwrap()
}

fn node(text: &str) -> Identity {
    Identity::Node(name(text))
}

fn secret(token: &UserToken, expires: Option<u64>) -> Secret {
    Secret::new(TokenProof { id: token.id(), hash: token.hash(), authority: token.authority() }, expires)
}

impl Cluster {
    fn new() -> (Self, UserToken) {
        let authority = authority();
        let token = UserToken::generate(authority.fingerprint()).unwrap();
        let mut cluster = Self { sample: Sample::default(), now: NOW };
        let server = issue(&authority, Identity::Server(name("s1")), NOW);
        let (admin, secret) = (name("admin"), secret(&token, None));
        cluster.done(TrustStep::Found { authority: authority.into(), server, admin, token: secret });
        (cluster, token)
    }

    fn step(&mut self, step: TrustStep) -> Applied {
        self.sample.command(Command::Trust { at: self.now, step })
    }

    fn done(&mut self, step: TrustStep) {
        let applied = self.step(step);
        assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
    }

    fn refused(&mut self, step: TrustStep, words: &str) {
        let before = self.sample.state.clone();
        match self.step(step) {
            Applied::Refused(reason) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(self.sample.state, before);
    }

    fn trust(&self) -> &Trust {
        &self.sample.state.trust
    }

    fn join_token(&mut self, role: JoinRole, only: Option<&str>) -> JoinToken {
        let token = JoinToken::generate(self.trust().mark.unwrap().signer).unwrap();
        let (hash, expires) = (token.hash(), self.now + HOUR);
        let record = JoinRecord { hash, role, name: only.map(name), expires, by: "user admin".into(), used: None };
        self.done(TrustStep::CreateJoinToken { id: token.id(), record });
        token
    }

    fn chain(&self, identity: Identity) -> Chain {
        issue(self.trust().signer().unwrap(), identity, self.now)
    }

    fn enrol(&self, token: &JoinToken, request: &str, identity: Identity) -> TrustStep {
        TrustStep::Enrol { token: token.id(), request: Revision::of(request), chain: self.chain(identity) }
    }

    fn told(&self, identity: Identity) -> TrustStep {
        let TrustMark { bundle, signer } = self.trust().mark.unwrap();
        TrustStep::Told { identity, authority: signer, bundle, renewal: None }
    }

    /// What the leader's loop would do.
    fn reconcile(&mut self) -> bool {
        let seen = Observations::new(self.now);
        let due = reconcile(&self.sample.state, &seen, &Config::default(), self.now);
        due.into_iter().for_each(|command| self.sample.done(command.clone()));
        !reconcile(&self.sample.state, &seen, &Config::default(), self.now).is_empty()
    }
}

fn issue(authority: &Authority, identity: Identity, now: u64) -> Chain {
    let key = KeyPair::generate().unwrap();
    authority.issue(&key.request().unwrap(), &identity, Duration::from_secs(3600), now).unwrap()
}

#[test]
fn a_join_token_is_good_once_for_what_it_says_and_for_a_time() {
    let (mut cluster, _) = Cluster::new();
    let token = cluster.join_token(JoinRole::Node, Some("n1"));
    let step = cluster.enrol(&token, "a", Identity::Server(name("n1")));
    cluster.refused(step, "is for a node, and not for a server");
    let step = cluster.enrol(&token, "a", node("n2"));
    cluster.refused(step, "is for the node n1, and not for n2");
    let step = cluster.enrol(&token, "a", node("n1"));
    cluster.done(step.clone());
    assert!(matches!(cluster.step(step), Applied::Unchanged(_)), "the same request again");
    let step = cluster.enrol(&token, "b", node("n1"));
    cluster.refused(step, "used already, by node/n1");

    let token = cluster.join_token(JoinRole::Node, None);
    let step = cluster.enrol(&token, "c", node("n1"));
    cluster.refused(step, "there is a node n1 already");
    cluster.now += HOUR;
    let step = cluster.enrol(&token, "c", node("n2"));
    cluster.refused(step, "has ended");
    cluster.done(TrustStep::RevokeJoinToken { id: token.id() });
    let step = cluster.enrol(&token, "c", node("n2"));
    cluster.refused(step, "was revoked");
    let other = issue(&authority(), node("n3"), NOW);
    let token = cluster.join_token(JoinRole::Node, None);
    let step = TrustStep::Enrol { token: token.id(), request: Revision::of("d"), chain: other };
    cluster.refused(step, "the authority was changed");
}

#[test]
fn certificates_count_from_the_first_one_on() {
    let (mut cluster, _) = Cluster::new();
    let token = cluster.join_token(JoinRole::Node, None);
    let step = cluster.enrol(&token, "a", node("n1"));
    cluster.done(step);
    let starts = |cluster: &Cluster| cluster.chain(node("n1")).starts();
    let first = starts(&cluster);
    assert!(cluster.trust().admits(&node("n1"), first));
    assert!(
        !cluster.trust().admits(&node("n2"), first) && !cluster.trust().admits(&Identity::Server(name("n1")), first)
    );
    cluster.now += 1_000;
    let renewed = starts(&cluster);
    assert!(cluster.trust().admits(&node("n1"), renewed));
    // A token for its very name replaces it, and whatever it had renewed until then.
    let TrustStep::Told { identity, authority, bundle, .. } = cluster.told(node("n1")) else { panic!() };
    let renew = |shown, next| {
        let renewal = Some(Renewal { shown, next });
        TrustStep::Told { identity: identity.clone(), authority, bundle, renewal }
    };
    cluster.done(renew(first, renewed));
    let token = cluster.join_token(JoinRole::Node, Some("n1"));
    let step = cluster.enrol(&token, "b", node("n1"));
    cluster.refused(step, "renewed in this very moment");
    cluster.now += 1_000;
    let step = cluster.enrol(&token, "b", node("n1"));
    cluster.done(step);
    assert!(!cluster.trust().admits(&node("n1"), first) && !cluster.trust().admits(&node("n1"), renewed));
    cluster.refused(renew(renewed, renewed + 60_000), "another machine has become");
    assert!(cluster.trust().admits(&node("n1"), starts(&cluster)));
    cluster.done(TrustStep::Forget { identity: node("n1") });
    assert!(!cluster.trust().admits(&node("n1"), starts(&cluster)));
}

#[test]
fn tokens_of_people_end_are_rotated_and_revoked() {
    let (mut cluster, admin) = Cluster::new();
    let signer = cluster.trust().mark.unwrap().signer;
    let new = || UserToken::generate(signer).unwrap();
    let who = |cluster: &Cluster, token: &UserToken| {
        cluster.trust().user(token, cluster.now).map(|(name, record)| (name.to_string(), record.role))
    };
    assert_eq!(who(&cluster, &admin), Ok(("admin".into(), Role::Admin)));
    assert!(who(&cluster, &new()).is_err());
    let record = |token: &UserToken, role, namespaces: &[&str], expires| UserRecord {
        role,
        namespaces: namespaces.iter().map(|text| name(text)).collect(),
        secrets: vec![secret(token, expires)],
        created: NOW,
        by: "user admin".into(),
    };
    let first = new();
    let create = |record| TrustStep::CreateUser { name: name("vera"), record };
    cluster.refused(create(record(&first, Role::Admin, &["a"], None)), "whole cluster");
    cluster.refused(create(record(&first, Role::Viewer, &[], Some(NOW))), "ended already");
    cluster.refused(create(record(&admin, Role::Viewer, &[], None)), "token of this id");
    cluster.done(create(record(&first, Role::Viewer, &[], Some(NOW + HOUR))));
    cluster.refused(create(record(&new(), Role::Viewer, &[], None)), "has a token already");
    let second = new();
    let rotate = TrustStep::RotateUser { name: name("vera"), token: secret(&second, None), overlap: HOUR / 2 };
    cluster.done(rotate);
    assert!(who(&cluster, &first).is_ok() && who(&cluster, &second).is_ok());
    cluster.now += HOUR / 2;
    assert_eq!(who(&cluster, &first), Err("this token has ended; ask an admin for a new one"));
    assert!(who(&cluster, &second).is_ok());
    cluster.done(TrustStep::RevokeUser { name: name("vera") });
    assert!(who(&cluster, &second).unwrap_err().contains("not known here"));
    cluster.refused(TrustStep::RevokeUser { name: name("vera") }, "has no token");
    cluster.refused(TrustStep::RevokeUser { name: name("admin") }, "the only admin");
}

#[test]
fn a_rotation_waits_for_everyone_in_both_phases() {
    let (mut cluster, _) = Cluster::new();
    let (server, n1) = (Identity::Server(name("s1")), node("n1"));
    let token = cluster.join_token(JoinRole::Node, None);
    let step = cluster.enrol(&token, "a", n1.clone());
    cluster.done(step);
    let old = cluster.trust().mark.unwrap();
    let next = authority();
    cluster.done(TrustStep::Rotate { authority: next.clone().into(), until: NOW + HOUR });
    cluster.refused(TrustStep::Rotate { authority: authority().into(), until: NOW }, "is under way");
    let spreading = cluster.trust().mark.unwrap();
    assert!(spreading.signer == old.signer && spreading.bundle != old.bundle);
    assert_eq!(cluster.trust().waits_for(), [&server, &n1]);
    for identity in [&server, &n1] {
        assert!(!cluster.reconcile());
        let step = cluster.told(identity.clone());
        cluster.done(step);
    }
    assert_eq!(cluster.trust().phase, Some(RotationPhase::Spreading), "people are given time to hear of it");
    cluster.now += HOUR;
    cluster.reconcile();
    assert_eq!(cluster.trust().phase, Some(RotationPhase::Renewing));
    let renewing = cluster.trust().mark.unwrap();
    assert!(renewing.signer == next.fingerprint() && renewing.bundle == spreading.bundle);
    for identity in [&server, &n1] {
        cluster.reconcile();
        assert_eq!(cluster.trust().phase, Some(RotationPhase::Renewing), "{identity} is waited for");
        let step = cluster.told(identity.clone());
        cluster.done(step);
    }
    cluster.reconcile();
    assert_eq!((cluster.trust().phase, cluster.trust().authorities.as_slice()), (None, [next].as_slice()));
    let text = serde_json::to_string(&cluster.sample.state).unwrap();
    assert_eq!(serde_json::from_str::<crate::State>(&text).unwrap(), cluster.sample.state);
}

#[test]
fn no_debug_output_and_no_event_shows_a_secret() {
    let (mut cluster, _) = Cluster::new();
    cluster.join_token(JoinRole::Node, None);
    let state = &cluster.sample.state;
    let command = Command::Trust { at: 1, step: TrustStep::Rotate { authority: authority().into(), until: 0 } };
    let shown = format!("{state:?} {command:?} {}", serde_json::to_string(&state.events).unwrap());
    assert!(!shown.contains("PRIVATE KEY") && !shown.contains("BEGIN"), "{shown}");
}

#[test]
fn a_cluster_without_certificates_has_nothing_of_it() {
    let mut sample = Sample::default();
    let step = TrustStep::Forget { identity: node("n1") };
    match sample.command(Command::Trust { at: 1, step }) {
        Applied::Refused(reason) => assert!(reason.contains("has no certificates"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(!serde_json::to_string(&sample.state).unwrap().contains("enrolled"));
}
