//! Stands in for the pure half until it is merged.
#![allow(missing_docs)]

use icefield_plan::Generation;
use icefield_spec::Name;

use super::{Applied, Command, NodeRecord, State};

impl State {
    pub fn apply(&mut self, index: u64, command: Command) -> Applied {
        match command {
            Command::Apply { at, spec } => {
                if self.spec.as_ref() == Some(&*spec) {
                    return Applied::Unchanged(self.version);
                }
                let revision = spec.revision();
                self.history.push_back(icefield_api::HistoryEntry { version: index, revision, at });
                self.spec = Some(*spec);
            }
            Command::Register { node, address, api, capacity, drivers, .. } => {
                let record = NodeRecord {
                    address,
                    api,
                    capacity,
                    drivers,
                    lost: false,
                    cordoned: false,
                    draining: false,
                    generation: 1,
                    hash: None,
                };
                self.nodes.insert(node, record);
            }
            Command::Node { node, action, .. } => {
                let Some(record) = self.nodes.get_mut(&node) else {
                    return Applied::Refused(format!("there is no node {node}"));
                };
                record.cordoned = action != icefield_api::NodeAction::Uncordon;
            }
            Command::Note { at, notes } => {
                for (kind, subject, message) in notes {
                    self.last_event += 1;
                    self.events.push_back(icefield_api::Event { number: self.last_event, at, kind, subject, message });
                }
            }
            _ => {}
        }
        self.version = index;
        Applied::Done(index)
    }

    pub fn node_plan(&self, _: &Name) -> Option<Generation> {
        None
    }
}
