//! An agent: makes its node's generation true and says how it goes.

use std::collections::BTreeMap;

use icefield_api::{Alive, Capacity, Heartbeat};
use icefield_placement::ReplicaId;
use icefield_plan::Generation;
use icefield_spec::{Bytes, Cpu, Millis};

use crate::process::Process;
use crate::system::System;

#[derive(Debug, Default)]
pub(crate) struct Agent {
    /// A node without power has no processes and says nothing.
    pub(crate) powered: bool,
    /// A node that is cut off runs on and hears and says nothing.
    pub(crate) connected: bool,
    /// Until when the agent stands still, while its node runs on.
    pub(crate) paused: u64,
    /// How long what it says is under way.
    pub(crate) delay: u64,
    /// The generation taken up.
    pub(crate) number: u64,
    /// The newest generation that it was told of.
    newest: Option<Generation>,
    pub(crate) processes: BTreeMap<ReplicaId, Process>,
    /// The node's system, if its agent activates any.
    pub(crate) system: Option<System>,
    /// How often it was started.
    pub(crate) started: u64,
    /// When it last spoke.
    spoke: u64,
    /// What it has said and was not answered yet, with when.
    said: Option<(u64, Said)>,
    /// What it told last, and whether that was taken.
    told: Option<Heartbeat>,
    known: bool,
    reports: u64,
    /// Until when it may run its singletons.
    fence: u64,
}

/// What an agent says.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    All(Box<Heartbeat>),
    Alive(Alive),
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self { powered: true, connected: true, ..Self::default() }
    }

    /// Pulls the plug.
    pub(crate) fn lose_power(&mut self) {
        self.powered = false;
        self.processes.clear();
        self.restart();
    }

    /// Ends it and starts it anew: its processes run on.
    pub(crate) fn restart(&mut self) {
        self.started += 1;
        (self.said, self.told, self.known, self.fence) = (None, None, false, 0);
    }

    /// Lets time pass for its node: processes go on, and their supervisors kill singletons whose time is over.
    pub(crate) fn pass(&mut self, now: u64) {
        for process in self.processes.values_mut() {
            process.pass(now);
        }
        self.processes.retain(|_, process| process.fence.is_none_or(|fence| now < fence) || process.is_killed(now));
        if now >= self.paused {
            self.start(now);
            if let (Some(system), Some(newest)) = (&mut self.system, &self.newest) {
                system.pass(newest.plan.nixos.as_ref(), newest.number, now);
            }
        }
    }

    /// What arrives now of what it says every `every` milliseconds, with when that was said.
    pub(crate) fn speak(&mut self, every: u64, now: u64) -> Option<(u64, Said)> {
        if !self.connected {
            self.said = None;
            return None;
        }
        if now >= self.paused && self.said.is_none() && now - self.spoke >= every {
            self.spoke = now;
            self.said = Some((now, self.say(now)));
        }
        self.said.take_if(|(sent, _)| now >= *sent + self.delay)
    }

    fn say(&mut self, now: u64) -> Said {
        let heartbeat = self.heartbeat(now);
        let same = self.told.as_ref().is_some_and(|told| is_same(told, &heartbeat));
        if same && self.known {
            return Said::Alive(Alive { started: self.started, number: self.reports });
        }
        self.reports += u64::from(!same);
        let heartbeat = Heartbeat { number: self.reports, ..heartbeat };
        self.told = Some(heartbeat.clone());
        Said::All(Box::new(heartbeat))
    }

    /// Hears the answer to what was said at `sent`.
    pub(crate) fn hear(&mut self, sent: u64, known: bool, fence: Option<Millis>, newest: Option<Generation>, now: u64) {
        self.known = known;
        self.fence = self.fence.max(fence.map_or(0, |fence| sent + fence.get()));
        for process in self.processes.values_mut() {
            process.fence = process.fence.map(|before| before.max(self.fence));
        }
        self.newest = newest;
        if now >= self.paused {
            self.take_up(now);
        }
    }

    /// Stops what is gone, and what has another revision.
    fn take_up(&mut self, now: u64) {
        let Some(generation) = &self.newest else { return };
        assert!(generation.number >= self.number, "an agent refuses an older generation");
        self.number = generation.number;
        let plan = &generation.plan;
        self.processes.retain(|replica, process| {
            plan.replicas.get(replica).is_some_and(|planned| planned.revision == process.revision)
        });
        self.start(now);
    }

    /// Starts what is new: of singletons only while it may run them.
    fn start(&mut self, now: u64) {
        let Some(plan) = self.newest.as_ref().map(|generation| &generation.plan) else { return };
        for replica in plan.replicas.keys() {
            let unit = &plan.unit(replica).expect("a plan holds the unit of each of its replicas").unit;
            if unit.is_singleton() && now >= self.fence {
                continue;
            }
            let fence = unit.is_singleton().then_some(self.fence);
            self.processes.entry(replica.clone()).or_insert_with(|| Process::start(unit, replica.index, fence, now));
        }
    }

    fn heartbeat(&self, now: u64) -> Heartbeat {
        Heartbeat {
            started: self.started,
            number: 0,
            address: "10.0.0.1".into(),
            api: "http://10.0.0.1:1".into(),
            cache: None,
            capacity: Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(8 << 30), ports: None },
            drivers: vec!["exec".into()],
            generation: self.number,
            replicas: self.processes.iter().map(|(replica, process)| process.report(replica, now)).collect(),
            endpoints: BTreeMap::new(),
            message: None,
            drift: Vec::new(),
            system: self.system.as_ref().map(|system| system.report.clone()),
            leaving: false,
        }
    }
}

/// Whether two reports differ in their times alone.
fn is_same(one: &Heartbeat, other: &Heartbeat) -> bool {
    let timeless = |heartbeat: &Heartbeat| {
        let mut heartbeat = Heartbeat { number: 0, ..heartbeat.clone() };
        for report in &mut heartbeat.replicas {
            report.since = Millis::default();
        }
        heartbeat
    };
    timeless(one) == timeless(other)
}
