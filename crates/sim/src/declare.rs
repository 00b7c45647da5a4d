use icefield_spec::{
    Bytes, Condition, Cpu, Machine, Millis, Name, Node, Port, Rules, Run, Service, Spec, Spread, Unit, Update, Volume,
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
    replicas: [u32; 2],
    versions: [String; 4],
    /// The versions of the secrets that two of the services name, once they are set.
    secrets: Option<[u64; 2]>,
}

impl Wish {
    /// The first one.
    pub(crate) fn first() -> Self {
        Self { number: 0, replicas: [2, 1], versions: std::array::from_fn(|_| "v0".to_owned()), secrets: None }
    }

    /// Changes something, and takes a number that no other has.
    pub(crate) fn change(&mut self, number: u64, nodes: usize, chance: &mut Chance) {
        self.number = number;
        match chance.below(4) {
            0 => self.replicas[0] = chance.within(1..nodes as u64 + 1) as u32,
            1 => self.replicas[1] = chance.within(0..3) as u32,
            2 => {
                let crashes = if chance.happens(300) { "crash" } else { "" };
                let service = chance.below(self.versions.len());
                self.versions[service] = format!("v{number}{crashes}");
            }
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
    }

    /// The spec, for so many nodes.
    pub(crate) fn spec(&self, nodes: usize) -> Spec {
        let node = |at: usize| {
            let mut machine = Machine::new(Cpu::from_millis(4_000), Bytes::new(8 << 30));
            machine.labels.insert("disk".into(), if at.is_multiple_of(2) { "ssd" } else { "hdd" }.into());
            machine.labels.insert("number".into(), self.number.to_string());
            (node_name(at), Node { address: None, machine })
        };
        let [web, api] = self.replicas;
        let mut services = [
            ("web", service(web, unit(&self.versions[0], 500))),
            ("api", service(api, unit(&self.versions[1], 1_500))),
            (SINGLETON, service(1, unit(&self.versions[2], 500))),
            ("store", service(1, unit(&self.versions[3], 500))),
        ];
        services[0].1.rules.spread = vec![Spread { max: Some(1), ..Spread::over("node") }];
        services[0].1.unit.ports.insert(name("http"), Port::Dynamic);
        services[1].1.rules.require.insert("disk".into(), Condition::one_of(["ssd"]));
        services[2].1.unit.singleton = true;
        services[3].1.unit.volumes.insert(name("data"), Volume::default());
        if let Some(versions) = self.secrets {
            for ((secret, service), version) in SECRETS.iter().zip([1, 3]).zip(versions) {
                let unit = &mut services[service].1.unit;
                unit.secret_env.insert("SECRET".into(), name(secret));
                // As the servers fill it in, so that the spec that is in force is the one that was proposed.
                unit.secrets.insert(name(secret), version);
            }
        }
        Spec {
            nodes: (0..nodes).map(node).collect(),
            services: services.into_iter().map(|(text, service)| (name(text), service)).collect(),
            ..Spec::empty(name("simulated"))
        }
    }
}

/// Whether a service may run but once at any time.
pub(crate) fn is_singleton(service: &Name) -> bool {
    service.as_str() == SINGLETON
}

/// The name of a node.
pub(crate) fn node_name(at: usize) -> Name {
    name(&format!("n{}", at + 1))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is written here, and as a name is to be")
}

fn unit(version: &str, cpu: u64) -> Unit {
    let run = Run::Exec { command: vec!["serve".into(), version.into()] };
    Unit::new(run, Cpu::from_millis(cpu), Bytes::new(64 << 20))
}

fn service(replicas: u32, unit: Unit) -> Service {
    let update = Update::Rolling {
        max_unavailable: 1,
        healthy_for: Millis::new(500),
        deadline: Millis::new(20_000),
        rollback: true,
    };
    Service { rules: Rules::default(), update, ..Service::new(replicas, unit) }
}
