use std::collections::{BTreeMap, BTreeSet};

use icefield_api::{RolloutState, SecretValue};
use icefield_spec::{Job, Schedule, Spec};

use super::{Grant, KeyRecord, SecretId, SecretStep};
use crate::state::sample::{Sample, name, spec};
use crate::state::{Applied, Author, Command, Proposal, RolloutStep};
use crate::vault::{ClusterKey, ServerKey};
use crate::view;

/// A state with the cluster key of its only server.
fn with_key(sample: &mut Sample) -> (ClusterKey, ServerKey) {
    let (key, server) = (ClusterKey::generate().unwrap(), ServerKey::generate());
    let grant = Grant { public: server.public(), sealed: key.grant(&server.public()).unwrap() };
    let record = KeyRecord { id: key.id().clone(), granted: BTreeMap::from([("s1".to_owned(), grant)]) };
    sample.done(Command::Secret {
        at: 1,
        step: SecretStep::Key { before: None, last: 0, record, sealed: BTreeMap::new() },
    });
    (key, server)
}

fn id(text: &str) -> SecretId {
    text.parse().unwrap()
}

fn set(key: &ClusterKey, text: &str, value: &str) -> Command {
    let value = SecretValue::from(value.as_bytes().to_vec());
    let sealed = key.seal(text, &value).unwrap();
    Command::Secret { at: 5, step: SecretStep::Set { id: id(text), sealed, by: "user anna".into() } }
}

fn remove(text: &str, force: bool) -> Command {
    Command::Secret { at: 6, step: SecretStep::Remove { id: id(text), force } }
}

/// A spec whose service "web" names the secret "db".
fn web(version: &str) -> Spec {
    let mut spec = spec(&["n1", "n2"], &[("web", version, 2), ("api", "a", 1)]);
    spec.services.get_mut("web").unwrap().unit.secret_env.insert("DB".into(), name("db"));
    spec
}

fn refused(applied: Applied) -> String {
    match applied {
        Applied::Refused(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn apply(spec: &Spec) -> Command {
    Command::Apply { at: 2, spec: Box::new(spec.clone()), expect: None }
}

/// Both replicas of "web" run, and the rollout is done.
fn settled() -> (Sample, ClusterKey) {
    let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[]));
    let (key, _) = with_key(&mut sample);
    sample.done(set(&key, "db", "hunter2"));
    sample.done(apply(&web("a")));
    sample.place("web/0", "n1");
    sample.place("web/1", "n1");
    sample.place("api/0", "n2");
    finish(&mut sample);
    (sample, key)
}

fn finish(sample: &mut Sample) {
    let to = sample.state.services["web"].target;
    sample.done(Command::Rollout { at: 9, service: name("web"), to, seen: None, step: RolloutStep::Finish });
}

fn versions(sample: &Sample, text: &str) -> Vec<u64> {
    sample.state.secrets.records[&id(text)].versions.keys().copied().collect()
}

#[test]
fn a_spec_that_names_a_secret_that_is_not_there_is_refused_with_what_to_do() {
    let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
    let reason = refused(sample.command(apply(&web("a"))));
    assert!(reason.contains("service web names the secret \"db\""), "{reason}");
    assert!(reason.contains("`icefield secret set db`"), "{reason}");
    let (key, _) = with_key(&mut sample);
    sample.done(set(&key, "db", "x"));
    sample.done(apply(&web("a")));
    let mut other = web("a");
    other.namespaces.insert(name("shop"), Default::default());
    other.services.get_mut("web").unwrap().namespace = Some(name("shop"));
    let reason = refused(sample.command(apply(&other)));
    assert!(reason.contains("`icefield secret set db --namespace shop`"), "a namespace has its own: {reason}");
}

#[test]
fn another_value_is_another_revision_of_the_services_that_use_it_alone() {
    let (mut sample, key) = settled();
    let before = sample.state.services.clone();
    sample.done(set(&key, "other", "x"));
    assert_eq!(sample.state.services, before, "nobody uses it");
    sample.done(set(&key, "db", "hunter3"));
    let (web, api) = (&sample.state.services["web"], &sample.state.services["api"]);
    assert_eq!((web.rollout.state, web.rollout.from), (RolloutState::Progressing, Some(before["web"].target)));
    assert_ne!(web.target, before["web"].target);
    assert_eq!(api, &before["api"]);
    assert_eq!(sample.state.spec.as_ref().unwrap().services["web"].unit.secrets[&name("db")], 3);
    // The file that is applied knows nothing of versions.
    assert!(matches!(sample.command(apply(&self::web("a"))), Applied::Unchanged(_)));
}

#[test]
fn a_version_is_kept_as_long_as_a_rollout_may_go_back_to_it() {
    let (mut sample, key) = settled();
    sample.done(set(&key, "db", "wrong"));
    assert_eq!(versions(&sample, "db"), [1, 2]);
    let to = sample.state.services["web"].target;
    let fail = RolloutStep::Fail { reason: "web/0 cannot log in".into() };
    sample.done(Command::Rollout { at: 9, service: name("web"), to, seen: None, step: fail });
    assert_eq!(versions(&sample, "db"), [1, 2], "it goes back to the first one");
    finish(&mut sample);
    sample.done(set(&key, "db", "right"));
    finish(&mut sample);
    // Both replicas are placed at the first revision still.
    assert_eq!(versions(&sample, "db"), [1, 3]);
}

#[test]
fn a_node_gets_what_its_own_plan_names() {
    let (sample, key) = settled();
    let of = |node: &str| view::secrets_of(&sample.state, &name(node));
    let numbers: Vec<u64> = of("n1").keys().copied().collect();
    assert_eq!(numbers, [1]);
    assert!(of("n2").is_empty() && of("unknown").is_empty());
    let (id, version) = of("n1")[&1];
    assert_eq!(key.open(&id.to_string(), &version.sealed).unwrap().reveal(), b"hunter2");
}

#[test]
fn what_is_used_goes_by_force_alone() {
    let (mut sample, key) = settled();
    let reason = refused(sample.command(remove("db", false)));
    assert!(reason.starts_with("the secret db is used by web;"), "{reason}");
    assert!(refused(sample.command(remove("nothing", false))).contains("there is no secret nothing"));
    sample.done(remove("db", true));
    assert!(view::secrets_of(&sample.state, &name("n1")).is_empty());
    sample.done(set(&key, "db", "again"));
    assert_eq!(sample.state.services["web"].rollout.state, RolloutState::Progressing);
}

#[test]
fn a_job_that_is_run_once_keeps_the_version_that_it_has() {
    let (mut sample, key) = settled();
    let mut spec = web("a");
    for (job, schedule) in
        [("migrate", None), ("report", Some(Schedule { cron: "0 3 * * *".into(), timezone: "UTC".into() }))]
    {
        let mut unit = spec.services["api"].unit.clone();
        unit.secret_env.insert("DB".into(), name("db"));
        spec.jobs.insert(name(job), Job { schedule, ..Job::new(unit) });
    }
    sample.done(apply(&spec));
    sample.done(set(&key, "db", "hunter3"));
    let jobs = &sample.state.spec.as_ref().unwrap().jobs;
    assert_eq!(["migrate", "report"].map(|job| jobs[job].unit.secrets[&name("db")]), [1, 2]);
    let (takers, keepers) = sample.state.takers_of(&id("db"));
    assert_eq!((takers, keepers), (vec![name("web"), name("report")], vec![name("migrate")]));
    let told = sample.state.events.iter().rev().find(|event| event.subject == "secret db").unwrap();
    assert_eq!(told.message, "set: version 2; taken up by web, report; not before the next apply by migrate");
}

#[test]
fn a_deployer_of_a_namespace_sets_its_secrets_alone() {
    let mut sample = Sample::default();
    let (key, _) = with_key(&mut sample);
    let mut by = |command: Command, namespace: &str| {
        let author = Author {
            at: 1,
            who: "user fred".into(),
            from: "::1".into(),
            operation: "secret-set".into(),
            subject: "/v1/secrets".into(),
            namespaces: BTreeSet::from([name(namespace)]),
        };
        sample.command(Proposal { command, request: None, author: Some(author) })
    };
    let reason = refused(by(set(&key, "db", "x"), "shop"));
    assert!(reason.starts_with("user fred may change secrets of the namespaces shop alone"), "{reason}");
    assert!(matches!(by(set(&key, "shop/db", "x"), "shop"), Applied::Done(_)));
    assert!(matches!(by(remove("shop/db", false), "bank"), Applied::Refused(_)));
    let audit = serde_json::to_string(&sample.state.audit).unwrap();
    assert!(audit.contains("secret-set") && !audit.contains("sealed"), "{audit}");
}

#[test]
fn a_new_key_takes_over_all_of_a_moment_or_nothing() {
    let (mut sample, key) = settled();
    let (next, server) = (ClusterKey::generate().unwrap(), ServerKey::generate());
    let change = |sample: &Sample, last: u64| {
        let rewrapped = sample.state.secrets.records.iter().flat_map(|(id, record)| {
            let versions = record.versions.iter();
            versions.map(|(number, version)| (*number, key.rewrap(&id.to_string(), &version.sealed, &next).unwrap()))
        });
        let grant = Grant { public: server.public(), sealed: next.grant(&server.public()).unwrap() };
        let record = KeyRecord { id: next.id().clone(), granted: BTreeMap::from([("s2".to_owned(), grant)]) };
        let before = Some(key.id().clone());
        Command::Secret { at: 7, step: SecretStep::Key { before, last, record, sealed: rewrapped.collect() } }
    };
    let early = change(&sample, 1);
    sample.done(set(&key, "late", "x"));
    assert!(matches!(sample.command(early), Applied::Refused(_)), "one more was set meanwhile");
    let change = change(&sample, 2);
    sample.done(change);
    let names: Vec<&String> = sample.state.secrets.servers.keys().collect();
    assert_eq!(names, ["s2"]);
    let (id, version) = sample.state.secrets.version(1).unwrap();
    assert_eq!(next.open(&id.to_string(), &version.sealed).unwrap().reveal(), b"hunter2");
    assert!(matches!(sample.command(set(&key, "db", "x")), Applied::Refused(_)), "sealed with the key before");
}

#[test]
fn a_state_of_before_there_were_secrets_is_read_and_writes_none() {
    let sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
    let text = serde_json::to_string(&sample.state).unwrap();
    assert!(!text.contains("\"secrets\""));
    let read: crate::State = serde_json::from_str(&text).unwrap();
    assert_eq!(read, sample.state);
}
