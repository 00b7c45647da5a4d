use icefield_api::{Capacity, EventKind};
use icefield_spec::Name;

use super::{Effect, NodeRecord, State};

/// What an agent says of its node.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) address: String,
    pub(super) api: String,
    pub(super) capacity: Capacity,
    pub(super) drivers: Vec<String>,
    pub(super) started: u64,
}

impl State {
    pub(super) fn register(&mut self, at: u64, node: Name, facts: Facts) -> Effect {
        let Facts { address, api, capacity, drivers, started } = facts;
        let message = match self.nodes.get_mut(&node) {
            None => {
                let record = NodeRecord {
                    address,
                    api,
                    capacity,
                    drivers,
                    started,
                    lost: false,
                    removed: false,
                    cordoned: false,
                    draining: false,
                    generation: 0,
                    hash: None,
                };
                self.nodes.insert(node.clone(), record);
                "joined".to_owned()
            }
            Some(record) => {
                let again = std::mem::take(&mut record.removed);
                let same = record.address == address
                    && record.api == api
                    && record.capacity == capacity
                    && record.drivers == drivers;
                if same && !again && record.started == started {
                    return Effect::Nothing;
                }
                let moved = record.address != address;
                // One that is merely lost is not back yet: what it has must be known first.
                record.lost &= !again;
                record.address = address;
                record.api = api;
                record.capacity = capacity;
                record.drivers = drivers;
                record.started = started;
                match (again, moved, same) {
                    (true, ..) => "joined again".to_owned(),
                    (false, true, _) => format!("has the address {} now", record.address),
                    (false, false, false) => "registered again, with other facts than before".to_owned(),
                    (false, false, true) => "its agent was started anew".to_owned(),
                }
            }
        };
        self.tell(at, EventKind::Node, format!("node {node}"), message);
        self.refresh([&node]);
        Effect::Basis
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::NodeAction;

    use crate::state::sample::{Sample, name, spec};
    use crate::state::{Applied, Command};

    #[test]
    fn the_same_facts_again_change_nothing() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        let version = sample.state.version;
        assert_eq!(sample.register("n1", "10.0.0.1"), Applied::Unchanged(version));
        assert_eq!(sample.state.version, version);
    }

    #[test]
    fn another_address_is_a_new_generation() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.register("n1", "10.9.9.9");
        assert_eq!(sample.generation("n1"), 2);
        assert_eq!(sample.state.node_plan(&name("n1")).unwrap().plan.address, "10.9.9.9");
        assert_eq!(sample.last_message(), "has the address 10.9.9.9 now");
    }

    #[test]
    fn a_lost_node_that_registers_is_still_to_show_what_it_has() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.done(Command::Lease { at: 1, node: name("n1"), lost: true, reason: "silent".into() });
        sample.register("n1", "10.0.0.9");
        assert!(sample.state.nodes["n1"].lost);
        assert_eq!(sample.last_message(), "has the address 10.0.0.9 now");
    }

    #[test]
    fn a_removed_node_that_registers_goes_on_where_it_was() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.register("n1", "10.9.9.9");
        let number = sample.generation("n1");
        sample.done(Command::Node { at: 1, node: name("n1"), action: NodeAction::ForceRemove });
        sample.register("n1", "10.0.0.1");
        let record = &sample.state.nodes["n1"];
        assert!(!record.lost && !record.removed);
        assert_eq!((sample.last_message().as_str(), record.generation), ("joined again", number + 1));
    }
}
