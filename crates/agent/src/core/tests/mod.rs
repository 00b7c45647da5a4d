//! The agent's decisions in virtual time.

mod invariants;
mod once;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use icefield_api::{Exit, ReplicaState};
use icefield_plan::{NodePlan, PLAN_SCHEMA, PlannedReplica, PlannedUnit, ReplicaId};
use icefield_spec::{Bytes, Cpu, Health, Millis, Name, Port, Probe, Run, Unit};

use super::{Action, Answer, Event, Found, Incarnation, Local, Moment, Timings, Wanted, decide};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A unit whose revision is that of `version`.
fn unit(version: u32, health: Option<Health>) -> Unit {
    let run = Run::Exec { command: vec![version.to_string()] };
    Unit { health, stop_grace: Millis::new(2_000), ..Unit::new(run, Cpu::from_millis(100), Bytes::new(1 << 20)) }
}

fn health() -> Health {
    Health {
        probe: Probe::Tcp { port: name("http") },
        interval: Millis::new(1_000),
        timeout: Millis::new(500),
        threshold: 3,
        grace: Millis::new(10_000),
    }
}

fn plan(replicas: &[(&str, &Unit)]) -> NodePlan {
    let mut plan = NodePlan {
        schema: PLAN_SCHEMA,
        cluster: name("test"),
        node: name("n1"),
        address: "10.0.0.1".into(),
        system: "x86_64-linux".into(),
        base: None,
        nixos: None,
        units: BTreeMap::new(),
        replicas: BTreeMap::new(),
    };
    for (id, unit) in replicas {
        let id: ReplicaId = id.parse().unwrap();
        let revision = unit.revision();
        plan.units.insert(revision, PlannedUnit { service: id.service.clone(), unit: (*unit).clone().into() });
        plan.replicas.insert(id, PlannedReplica { revision, ports: BTreeMap::new() });
    }
    plan
}

/// A node whose time moves when it is told to.
struct World {
    local: Local,
    plan: Option<NodePlan>,
    quiet: bool,
    now: Moment,
}

impl World {
    fn new(plan: NodePlan) -> Self {
        Self { local: Local::new(Timings::default()), plan: Some(plan), quiet: false, now: Duration::ZERO }
    }

    fn decide(&mut self) -> (Vec<Action>, Option<Moment>) {
        let wanted = match &self.plan {
            _ if self.quiet => Wanted::Quiet,
            Some(plan) => Wanted::Plan(plan),
            None => Wanted::Unknown,
        };
        decide(wanted, &mut self.local, self.now)
    }

    fn note(&mut self, id: &str, event: Event) {
        self.local.note(&id.parse().unwrap(), event, self.now);
    }

    /// What is decided now, in words.
    fn act(&mut self) -> Vec<String> {
        self.decide().0.iter().map(words).collect()
    }

    /// Moves time to `millis` and tells what is decided then, and that nothing was due before.
    fn at(&mut self, millis: u64) -> Vec<String> {
        let moment = Duration::from_millis(millis);
        let (early, due) = self.decide();
        assert_eq!(early, [], "before {millis}");
        assert!(due.is_none_or(|due| due >= moment), "due at {due:?}, before {millis}");
        self.now = moment;
        self.act()
    }

    /// When something is due next, in milliseconds.
    fn due(&mut self) -> Option<u128> {
        let (early, due) = self.decide();
        assert_eq!(early, []);
        due.map(|due| due.as_millis())
    }

    /// The one replica's state, restarts and message.
    fn report(&mut self) -> String {
        let report = self.local.report(self.now).remove(0).1;
        let message = report.message.map_or(String::new(), |message| format!(": {message}"));
        format!("{} {}{message}", report.state, report.restarts)
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Start { id, .. } => format!("start {id}"),
        Action::Stop { id } => format!("stop {id}"),
        Action::Kill { id } => format!("kill {id}"),
        Action::Probe { id, .. } => format!("probe {id}"),
        Action::Remove { id } => format!("remove {id}"),
    }
}

fn started() -> Event {
    Event::Started { pid: Some(7) }
}

fn ended(how: &str) -> Event {
    Event::Ended { how: how.into(), exit: Exit { code: None, took: Millis::default() } }
}

fn good() -> Event {
    Event::Answered { answer: Answer::Good, health: health() }
}

fn bad(why: &str) -> Event {
    Event::Answered { answer: Answer::Bad(why.into()), health: health() }
}

fn found_running(unit: &Unit, was_healthy: bool) -> Found {
    Found::Running {
        incarnation: incarnation(unit),
        grace: unit.stop_grace,
        drain: super::drain(unit),
        restarts: 4,
        pid: Some(7),
        ran_for: Duration::from_secs(60),
        was_healthy,
        once: unit.once,
    }
}

fn incarnation(unit: &Unit) -> Incarnation {
    Incarnation { revision: unit.revision(), ports: BTreeMap::new(), address: "10.0.0.1".into() }
}
