//! States for the tests of invariants of bases.

use icefield_api::Capacity;
use icefield_control::state::BaseStep;
use icefield_control::{Applied, Command, State};
use icefield_spec::{Bytes, Cpu, Name};

use crate::declare::{Wish, name, node_name, system};
use crate::system::Standing;

/// Nodes that have registered, and the first spec.
pub(crate) struct Fleet {
    pub(crate) state: State,
}

impl Fleet {
    pub(crate) fn of(nodes: usize) -> Self {
        let mut fleet = Self { state: State::default() };
        fleet.done(Command::Apply { at: 0, spec: Box::new(Wish::first().spec(nodes)), expect: None });
        for at in 0..nodes {
            let capacity = Capacity { cpu: Cpu::from_millis(4_000), memory: Bytes::new(8 << 30), ports: None };
            let (node, address, api) = (node_name(at), String::new(), String::new());
            let drivers = vec!["exec".to_owned()];
            fleet.done(Command::Register { at: 0, node, address, api, capacity, drivers, started: 1 });
        }
        fleet
    }

    pub(crate) fn node(&self, at: usize) -> Name {
        node_name(at)
    }

    /// Has nodes of the first base asked for its system.
    pub(crate) fn ask(&mut self, nodes: &[usize]) {
        let step = BaseStep::Advance { nodes: nodes.iter().map(|at| node_name(*at)).collect() };
        self.done(Command::Base { at: 1, base: name("std"), to: None, seen: None, step });
    }

    /// A node of the first base proves itself.
    pub(crate) fn prove(&mut self, at: usize) {
        let step = BaseStep::Prove { node: node_name(at) };
        self.done(Command::Base { at: 1, base: name("std"), to: None, seen: None, step });
    }

    /// How a node stands that is being changed for what it was asked for.
    pub(crate) fn changing(&self, at: usize) -> Standing {
        let asked = self.state.bases[&name("std")].nodes.get(&node_name(at)).map_or(0, |asked| asked.asked);
        Standing { is_changing: true, is_settled: false, is_active: false, asked, running: system("v0") }
    }

    pub(crate) fn done(&mut self, command: Command) {
        let applied = self.state.apply(self.state.version + 1, command);
        assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
    }
}
