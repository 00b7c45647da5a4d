//! An agent: makes its node's generation true and says how it goes.

use std::collections::BTreeMap;

use icefield_api::{Capacity, Heartbeat};
use icefield_placement::ReplicaId;
use icefield_plan::Generation;
use icefield_spec::{Bytes, Cpu};

use crate::process::Process;

#[derive(Debug, Default)]
pub(crate) struct Agent {
    /// A node without power has no processes and says nothing.
    pub(crate) powered: bool,
    /// A node that is cut off runs on and hears and says nothing.
    pub(crate) connected: bool,
    /// The generation taken up.
    pub(crate) number: u64,
    pub(crate) processes: BTreeMap<ReplicaId, Process>,
    /// When it last spoke.
    pub(crate) spoke: u64,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self { powered: true, connected: true, ..Self::default() }
    }

    /// Pulls the plug.
    pub(crate) fn lose_power(&mut self) {
        self.powered = false;
        self.processes.clear();
    }

    pub(crate) fn pass(&mut self, now: u64) {
        for process in self.processes.values_mut() {
            process.pass(now);
        }
    }

    /// Starts what is new, stops what is gone, and replaces what has another revision.
    pub(crate) fn take_up(&mut self, generation: &Generation, now: u64) {
        assert!(generation.number >= self.number, "an agent refuses an older generation");
        self.number = generation.number;
        let plan = &generation.plan;
        self.processes.retain(|replica, process| {
            plan.replicas.get(replica).is_some_and(|planned| planned.revision == process.revision)
        });
        for replica in plan.replicas.keys() {
            let unit = &plan.unit(replica).expect("a plan holds the unit of each of its replicas").unit;
            self.processes.entry(replica.clone()).or_insert_with(|| Process::start(unit, now));
        }
    }

    pub(crate) fn heartbeat(&self, now: u64) -> Heartbeat {
        Heartbeat {
            address: "10.0.0.1".into(),
            api: "http://10.0.0.1:1".into(),
            capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(8 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: self.number,
            replicas: self.processes.iter().map(|(replica, process)| process.report(replica, now)).collect(),
            endpoints: BTreeMap::new(),
            message: None,
        }
    }
}
