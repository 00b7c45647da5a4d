use std::collections::BTreeMap;

use icefield_plan::{Fleet, Generation, NodePlan, PlannedUnit, node_plan};
use icefield_spec::{Bytes, Cpu, FleetNode, Machine, Name, Revision};

use super::State;

impl State {
    /// The newest generation of `node`; `None` if it has none: no spec has declared it since it registered.
    ///
    /// The plan is not stored but made anew: it follows from the rest of the state.
    pub fn node_plan(&self, node: &Name) -> Option<Generation> {
        let record = self.nodes.get(node)?;
        Some(Generation { number: record.generation, hash: record.hash?, plan: self.plan(node)? })
    }

    /// Gives each of `nodes` whose plan has changed a new generation.
    pub(super) fn refresh<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Name>) {
        for node in nodes {
            let Some(hash) = self.plan(node).map(|plan| plan.hash()) else { continue };
            if let Some(record) = self.nodes.get_mut(node)
                && record.hash != Some(hash)
            {
                record.generation += 1;
                record.hash = Some(hash);
            }
        }
    }

    fn plan(&self, node: &Name) -> Option<NodePlan> {
        let mut plan = self.plan_without_system(node)?;
        plan.nixos = self.planned_system(node);
        Some(plan)
    }

    fn plan_without_system(&self, node: &Name) -> Option<NodePlan> {
        let spec = self.spec.as_deref()?;
        let record = self.nodes.get(node)?;
        let mut units: BTreeMap<Revision, PlannedUnit> = BTreeMap::new();
        for (replica, assignment) in self.placed.on_node(node.as_str()) {
            if let Some(unit) = self.unit(&replica.service, assignment.revision) {
                units.insert(assignment.revision, unit.clone());
            }
        }
        let addresses = BTreeMap::from([(node.clone(), record.address.clone())]);
        let fleet = Fleet { spec, units: &units, addresses: &addresses };
        let replicas = self.placed.on_node(node.as_str()).map(|(replica, assignment)| (replica.clone(), assignment));
        if let Some(declared) = spec.fleet_node(node.as_str()) {
            return Some(node_plan(&fleet, &declared, replicas));
        }
        // A node that is declared no more must be told to stop what it has; one that never was is left alone.
        record.hash?;
        let machine = Machine::new(Cpu::default(), Bytes::default());
        let left = FleetNode { name: node.clone(), address: None, pool: None, machine: &machine };
        Some(node_plan(&fleet, &left, replicas))
    }
}

#[cfg(test)]
mod tests {
    use crate::state::State;
    use crate::state::sample::{Sample, name, spec};

    #[test]
    fn rises_only_for_the_nodes_that_a_change_touches() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 2)]));
        assert_eq!(sample.generation("n1"), 1);
        sample.place("web/0", "n1");
        assert_eq!((sample.generation("n1"), sample.generation("n2")), (2, 1));
        sample.apply(&spec(&["n1", "n2", "n3"], &[("web", "a", 2), ("api", "a", 2)]));
        assert_eq!((sample.generation("n1"), sample.generation("n2")), (2, 1));
        let plan = sample.state.node_plan(&name("n1")).unwrap();
        assert_eq!(plan.hash, plan.plan.hash());
        assert_eq!(plan.plan.replicas.len(), 1);
        assert_eq!(plan.plan.units.len(), 1);
    }

    #[test]
    fn there_is_none_before_a_spec_declares_the_node() {
        let mut sample = Sample::with(&["n1", "other"], &spec(&["n1"], &[]));
        assert!(sample.state.node_plan(&name("other")).is_none());
        assert!(sample.state.node_plan(&name("unknown")).is_none());
        assert!(State::default().node_plan(&name("n1")).is_none());
        sample.apply(&spec(&["n1", "other"], &[]));
        assert_eq!(sample.generation("other"), 1);
    }

    #[test]
    fn a_node_that_is_declared_no_more_is_told_to_have_nothing() {
        let mut sample = Sample::with(&["n1", "n2"], &spec(&["n1", "n2"], &[("web", "a", 1)]));
        sample.place("web/0", "n1");
        sample.apply(&spec(&["n2"], &[("web", "a", 1)]));
        let before = sample.generation("n1");
        sample.remove("web/0");
        assert!(sample.generation("n1") > before);
        assert!(sample.state.node_plan(&name("n1")).unwrap().plan.replicas.is_empty());
    }
}
