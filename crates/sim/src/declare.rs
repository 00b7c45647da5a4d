use icefield_spec::{
    Bytes, Condition, Cpu, Dependency, Job, Machine, Millis, Name, Node, Port, Rules, Run, Service, Share, Spec,
    Spread, Strategy, Unit, Update, Volume, Wait,
};

use crate::chance::Chance;

/// The service that may run but once at any time.
const SINGLETON: &str = "only";

/// The secrets that services name.
pub(crate) const SECRETS: [&str; 2] = ["api-key", "store-key"];

/// What varies from one spec of a run to the next. None of it makes a placement wrong that was right before: so every
/// placement must be right at any time.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// No other spec of the run has it.
    number: u64,
    replicas: [u32; 3],
    versions: [String; 6],
    /// Whether canaries wait for someone to confirm.
    confirms: bool,
    /// The versions of the secrets that two of the services name, once they are set.
    secrets: Option<[u64; 2]>,
}

impl Wish {
    /// The first one.
    pub(crate) fn first() -> Self {
        let versions = std::array::from_fn(|_| "v0".to_owned());
        Self { number: 0, replicas: [2, 1, 2], versions, confirms: false, secrets: None }
    }

    /// Changes something, and takes a number that no other has.
    pub(crate) fn change(&mut self, number: u64, nodes: usize, chance: &mut Chance) {
        self.number = number;
        match chance.below(6) {
            0 => self.replicas[0] = chance.within(1..nodes as u64 + 1) as u32,
            1 => self.replicas[1 + chance.below(2)] = chance.within(0..3) as u32,
            2..4 => {
                let bad = ["", "", "", "", "crash", "never"][chance.below(6)];
                let service = chance.below(self.versions.len());
                self.versions[service] = format!("v{number}{bad}");
            }
            4 => self.confirms = chance.happens(500),
            _ => {}
        }
    }

    /// The secrets are set from now on, and these are their versions.
    pub(crate) fn name_secrets(&mut self, versions: [u64; 2]) {
        self.secrets = Some(versions);
    }

    /// Has everything run well.
    pub(crate) fn settle(&mut self, number: u64) {
        self.number = number;
        self.versions = std::array::from_fn(|_| format!("v{number}"));
        self.confirms = false;
    }

    /// The spec, for so many nodes.
    pub(crate) fn spec(&self, nodes: usize) -> Spec {
        let node = |at: usize| {
            let mut machine = Machine::new(Cpu::from_millis(4_000), Bytes::new(8 << 30));
            machine.labels.insert("disk".into(), if at.is_multiple_of(2) { "ssd" } else { "hdd" }.into());
            machine.labels.insert("number".into(), self.number.to_string());
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
        let job = Job { retries: 50, pause: Millis::new(200), ..Job::new(unit(&self.versions[5], 500)) };
        if let Some(versions) = self.secrets {
            for ((secret, service), version) in SECRETS.iter().zip([1, 3]).zip(versions) {
                let unit = &mut services[service].1.unit;
                unit.secret_env.insert("SECRET".into(), name(secret));
                // As the servers fill it in, so that the spec that is in force is the one that was proposed.
                unit.secrets.insert(name(secret), version);
            }
        }
        Spec {
            jobs: [(name("move"), job)].into(),
            nodes: (0..nodes).map(node).collect(),
            services: services.into_iter().map(|(text, service)| (name(text), service)).collect(),
            ..Spec::empty(name("simulated"))
        }
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
