use icefield_spec::{
    Base, Bytes, Condition, Cpu, Dependency, Job, Machine, Millis, Name, Node, Port, Revision, Rules, Run, Service,
    Share, Spec, Spread, StorePath, Strategy, Unit, Update, Volume, Wait,
};

use crate::chance::Chance;

/// The service that may run but once at any time.
const SINGLETON: &str = "only";

/// The secrets that services name.
pub(crate) const SECRETS: [&str; 2] = ["api-key", "store-key"];

/// The bases: nodes of the first are switched a few at a time, after one that is tried first; those of the second are restarted.
pub(crate) const BASES: [&str; 2] = ["std", "edge"];

/// What varies from one spec of a run to the next. None of it makes a placement wrong that was right before: so every
/// placement must be right at any time.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// No other spec of the run has it.
    number: u64,
    replicas: [u32; 3],
    versions: [String; 6],
    /// The versions of the bases' systems.
    systems: [String; 2],
    /// Whether canaries wait for someone to confirm.
    confirms: bool,
    /// The versions of the secrets that two of the services name, once they are set.
    secrets: Option<[u64; 2]>,
}

impl Wish {
    /// The first one.
    pub(crate) fn first() -> Self {
        let versions = std::array::from_fn(|_| "v0".to_owned());
        let systems = std::array::from_fn(|_| "v0".to_owned());
        Self { number: 0, replicas: [2, 1, 2], versions, systems, confirms: false, secrets: None }
    }

    /// Changes something, and takes a number that no other has.
    pub(crate) fn change(&mut self, number: u64, nodes: usize, chance: &mut Chance) {
        self.number = number;
        match chance.below(8) {
            0 => self.replicas[0] = chance.within(1..nodes as u64 + 1) as u32,
            1 => self.replicas[1 + chance.below(2)] = chance.within(0..3) as u32,
            2..4 => {
                let bad = ["", "", "", "", "crash", "never"][chance.below(6)];
                let service = chance.below(self.versions.len());
                self.versions[service] = format!("v{number}{bad}");
            }
            4 => self.confirms = chance.happens(500),
            5..7 => {
                let bad = ["", "", "", "bad", "stuck", "gone"][chance.below(6)];
                self.systems[chance.below(BASES.len())] = format!("v{number}{bad}");
            }
            _ => {}
        }
    }

    /// The secrets are set from now on, and these are versions of them that somebody has seen.
    pub(crate) fn name_secrets(&mut self, versions: [u64; 2]) {
        let known = self.secrets.unwrap_or_default();
        self.secrets = Some(std::array::from_fn(|at| known[at].max(versions[at])));
    }

    /// Has everything run well, and leaves one of so many nodes without a replica of a service that has one on each at most: else
    /// no node could be drained.
    pub(crate) fn settle(&mut self, number: u64, nodes: usize) {
        self.number = number;
        self.replicas[0] = self.replicas[0].min(nodes as u32 - 1);
        self.versions = std::array::from_fn(|_| format!("v{number}"));
        self.systems = std::array::from_fn(|_| format!("v{number}"));
        self.confirms = false;
    }

    /// The spec, for so many nodes.
    pub(crate) fn spec(&self, nodes: usize) -> Spec {
        let node = |at: usize| {
            let mut machine = Machine::new(Cpu::from_millis(4_000), Bytes::new(8 << 30));
            machine.labels.insert("disk".into(), if at.is_multiple_of(2) { "ssd" } else { "hdd" }.into());
            machine.labels.insert("number".into(), self.number.to_string());
            machine.labels.insert("zone".into(), if at.is_multiple_of(2) { "a" } else { "b" }.into());
            machine.base = Some(name(BASES[usize::from(at % 3 == 2)]));
            (node_name(at), Node { address: None, machine })
        };
        let [web, api, cart] = self.replicas;
        let mut services = [
            ("web", service(web, unit(&self.versions[0], 500))),
            ("api", service(api, unit(&self.versions[1], 600))),
            (SINGLETON, service(1, unit(&self.versions[2], 500))),
            ("store", service(1, unit(&self.versions[3], 500))),
            ("cart", service(cart, unit(&self.versions[4], 100))),
        ];
        // Each in a way of its own; so none of these may ever have fewer or more than that lets it.
        (services[0].1.update.max_unavailable, services[0].1.update.max_surge) = (0, 1);
        let hold = Wait::Hold(Millis::new(400));
        services[1].1.update.kind = Strategy::BlueGreen { wait: hold, keep: Millis::new(600) };
        let wait = if self.confirms { Wait::Confirm } else { hold };
        services[4].1.update.kind = Strategy::Canary { share: Share::Count(1), wait };
        services[4].1.after = vec![Dependency::Service(name("store"))];
        services[0].1.rules.spread = vec![Spread { max: Some(1), ..Spread::over("node") }];
        services[0].1.unit.ports.insert(name("http"), Port::Dynamic);
        services[1].1.rules.require.insert("disk".into(), Condition::one_of(["ssd"]));
        services[2].1.unit.singleton = true;
        services[3].1.unit.volumes.insert(name("data"), Volume::default());
        // An attempt that is lost with its node counts, and of those there are many here.
        let mut job = Job { retries: 50, pause: Millis::new(200), ..Job::new(unit(&self.versions[5], 500)) };
        if let Some(versions) = self.secrets {
            for ((secret, service), version) in SECRETS.iter().zip([1, 3]).zip(versions) {
                let unit = &mut services[service].1.unit;
                unit.secret_env.insert("SECRET".into(), name(secret));
                // As the servers fill it in, so that the spec that is in force is the one that was proposed.
                unit.secrets.insert(name(secret), version);
            }
            job.unit.secret_env.insert("SECRET".into(), name(SECRETS[0]));
            job.unit.secrets.insert(name(SECRETS[0]), versions[0]);
        }
        Spec {
            bases: std::iter::zip(BASES, self.bases()).map(|(text, base)| (name(text), base)).collect(),
            jobs: [(name("move"), job)].into(),
            nodes: (0..nodes).map(node).collect(),
            services: services.into_iter().map(|(text, service)| (name(text), service)).collect(),
            ..Spec::empty(name("simulated"))
        }
    }
}

impl Wish {
    fn bases(&self) -> [Base; 2] {
        let hold = Wait::Hold(Millis::new(300));
        // A node does well only between the restarts of its replicas, and all services may be rolled out meanwhile.
        let update = Update { healthy_for: Millis::new(400), deadline: Millis::new(6_000), ..Base::default().update() };
        let tried = Strategy::Canary { share: Share::Count(1), wait: hold };
        let switched = Update { kind: tried, max_unavailable: 2, ..update.clone() };
        // Services are rolled out before their replicas leave a node.
        let restarted = Update { kind: Strategy::default(), deadline: Millis::new(10_000), ..update };
        let base = |at: usize, update, reboot| Base {
            system: Some(system(&self.systems[at])),
            update: Some(update),
            reboot,
            ..Base::default()
        };
        [base(0, switched, false), base(1, restarted, true)]
    }
}

/// The services, by name.
pub(crate) const SERVICES: [&str; 5] = ["web", "api", SINGLETON, "store", "cart"];

/// Whether a service may run but once at any time.
pub(crate) fn is_singleton(service: &Name) -> bool {
    service.as_str() == SINGLETON
}

/// The name of a node.
pub(crate) fn node_name(at: usize) -> Name {
    name(&format!("n{}", at + 1))
}

/// The system of that version.
pub(crate) fn system(version: &str) -> StorePath {
    let digits: String = version.chars().filter(char::is_ascii_digit).collect();
    let path = format!("/nix/store/{digits:0>32}-nixos-system-{version}");
    StorePath::new(&path).expect("it is written here, and as a path is to be")
}

/// What a spec is but for the versions of secrets, which servers fill in.
pub(crate) fn skeleton(spec: &Spec) -> Revision {
    let mut spec = spec.clone();
    let jobs = spec.jobs.values_mut().map(|job| &mut job.unit);
    spec.services.values_mut().map(|service| &mut service.unit).chain(jobs).for_each(|unit| unit.secrets.clear());
    spec.revision()
}

/// The same spec with other versions of the secrets that it names.
pub(crate) fn with_versions(spec: &Spec, versions: [u64; 2]) -> Spec {
    let mut spec = spec.clone();
    let jobs = spec.jobs.values_mut().map(|job| &mut job.unit);
    for unit in spec.services.values_mut().map(|service| &mut service.unit).chain(jobs) {
        for (secret, version) in SECRETS.iter().zip(versions) {
            unit.secrets.entry(name(secret)).and_modify(|number| *number = version);
        }
    }
    spec
}

/// A name that is written in this crate.
pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("it is written here, and as a name is to be")
}

fn unit(version: &str, cpu: u64) -> Unit {
    let run = Run::Exec { command: vec!["serve".into(), version.into()] };
    Unit::new(run, Cpu::from_millis(cpu), Bytes::new(64 << 20))
}

fn service(replicas: u32, unit: Unit) -> Service {
    let update = Update { healthy_for: Millis::new(500), deadline: Millis::new(20_000), ..Update::default() };
    Service { rules: Rules::default(), update, ..Service::new(replicas, unit) }
}
