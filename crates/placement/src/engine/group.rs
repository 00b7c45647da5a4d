use icefield_spec::Port;

use super::column::Columns;
use super::id::{NodeId, ServiceId};
use super::node::Node;
use super::state::State;
use crate::Demand;
use crate::rules::{self, Hard, Resources, ServiceRules, Soft};

/// Alike replicas: one demand of one service, with its rules made ready for the nodes there are.
pub(crate) struct Group<'a> {
    pub(crate) service: ServiceId,
    pub(crate) demand: &'a Demand,
    pub(crate) need: Resources,
    /// Its ports, in the order of their names.
    pub(crate) ports: Vec<Port>,
    /// Its fixed ports.
    pub(crate) fixed: Vec<u16>,
    /// How many dynamic ports it has.
    pub(crate) dynamic: u32,
    /// What must hold, in the order in which reasons are given.
    pub(crate) hard: Vec<Box<dyn Hard + 'a>>,
    /// What should hold.
    pub(crate) soft: Vec<Box<dyn Soft + 'a>>,
}

impl<'a> Group<'a> {
    /// Makes the rules of `demand` ready.
    pub(crate) fn new(
        service: ServiceId,
        demand: &'a Demand,
        shared: &ServiceRules,
        nodes: &[Node<'a>],
        columns: &mut Columns<'a>,
    ) -> Self {
        let ports: Vec<Port> = demand.ports.values().copied().collect();
        let fixed = ports.iter().filter_map(|port| match port {
            Port::Fixed(port) => Some(*port),
            Port::Dynamic => None,
        });
        let fixed: Vec<u16> = fixed.collect();
        let dynamic = (ports.len() - fixed.len()) as u32;
        let mut group = Self {
            service,
            demand,
            need: [demand.cpu.millis(), demand.memory.get()],
            ports,
            fixed,
            dynamic,
            hard: Vec::new(),
            soft: Vec::new(),
        };
        rules::compile(&mut group, shared, nodes, columns);
        group
    }

    /// Whether every hard rule lets one more replica onto `node`.
    pub(crate) fn admitted(&self, state: &State<'_>, node: NodeId) -> bool {
        self.hard.iter().all(|rule| rule.admits(state, node))
    }

    /// The first rule that one of its replicas breaks by staying on `node`.
    pub(crate) fn broken_by_staying(&self, state: &State<'_>, node: NodeId) -> Option<&dyn Hard> {
        let broken = self.hard.iter().find(|rule| rule.binds_standing() && !rule.admits(state, node));
        broken.map(|rule| &**rule as &dyn Hard)
    }

    /// Whether a hard rule asks for certain values of `label`.
    pub(crate) fn requires(&self, label: &str) -> bool {
        self.demand.rules.require.contains_key(label)
    }
}
