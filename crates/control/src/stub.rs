//! Stands in for the pure half until it is merged.
#![allow(missing_docs)]

pub mod observe {
    use icefield_api::Heartbeat;
    use icefield_spec::Name;

    use crate::{Command, State};

    #[derive(Debug, Clone)]
    pub struct Observations {
        index: u64,
    }

    impl Observations {
        pub fn new(now: u64) -> Self {
            Self { index: now }
        }

        pub fn index(&self) -> u64 {
            self.index
        }

        pub fn heartbeat(&mut self, _: &Name, _: Heartbeat, now: u64) {
            self.index = now.max(self.index + 1);
        }
    }

    pub fn registration(state: &State, node: &Name, heartbeat: &Heartbeat, now: u64) -> Option<Command> {
        let heartbeat = heartbeat.clone();
        (!state.nodes.contains_key(node)).then(|| Command::Register {
            at: now,
            node: node.clone(),
            address: heartbeat.address,
            api: heartbeat.api,
            capacity: heartbeat.capacity,
            drivers: heartbeat.drivers,
        })
    }
}

pub mod reconcile {
    use icefield_spec::Millis;

    use crate::observe::Observations;
    use crate::{Command, State};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Config {
        pub lease: Millis,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { lease: Millis::new(1_500) }
        }
    }

    #[derive(Debug, Default)]
    pub struct Reconciler {}

    impl Reconciler {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn reconcile(&mut self, _: &State, _: &mut Observations, _: &Config, _: u64) -> Vec<Command> {
            Vec::new()
        }
    }
}

pub mod view {
    use std::collections::BTreeMap;

    use icefield_api::{Endpoints, PlanReport, SCHEMA, ServerStatus, ServiceExplanation, Status};
    use icefield_spec::{Name, Spec};

    use crate::State;
    use crate::observe::Observations;

    #[derive(Debug, Clone)]
    pub struct Servers {
        pub api: String,
        pub leader: Option<String>,
        pub servers: Vec<ServerStatus>,
    }

    pub fn index(state: &State, seen: &Observations) -> u64 {
        state.version + seen.index()
    }

    pub fn status(state: &State, seen: &Observations, servers: Servers, _now: u64) -> Status {
        Status {
            schema: SCHEMA,
            index: index(state, seen),
            cluster: state.spec.as_ref().map(|spec| spec.cluster.clone()),
            api: servers.api,
            leader: servers.leader,
            revision: state.spec.as_ref().map(|spec| spec.revision()),
            servers: servers.servers,
            services: Vec::new(),
            nodes: Vec::new(),
        }
    }

    pub fn explain(state: &State, _seen: &Observations, service: &Name) -> Option<ServiceExplanation> {
        state.spec.as_ref()?.services.get(service)?;
        Some(ServiceExplanation { schema: SCHEMA, service: service.clone(), replicas: Vec::new() })
    }

    pub fn endpoints(_state: &State, _seen: &Observations, _service: &Name) -> Endpoints {
        Endpoints::new(Vec::new())
    }

    pub fn plan_report(_state: &State, _seen: &Observations, _spec: &Spec) -> PlanReport {
        PlanReport { schema: SCHEMA, changes: Vec::new(), placement: BTreeMap::new(), unplaced: Vec::new() }
    }
}
