use icefield_api::{EventKind, NodeAction};
use icefield_spec::Name;

use super::{Effect, State};

impl State {
    pub(super) fn node(&mut self, at: u64, node: &Name, action: NodeAction) -> Result<Effect, String> {
        let declared = self.declares(node.as_str());
        let Some(record) = self.nodes.get_mut(node) else {
            return Err(if declared {
                format!("node {node} is declared and has not joined yet; try again once its agent runs")
            } else {
                format!("there is no node {node}; \"icefield node list\" shows those that are")
            });
        };
        let before = (record.cordoned, record.draining);
        let message = match action {
            NodeAction::Cordon => {
                record.cordoned = true;
                "cordoned: it takes no new replicas"
            }
            NodeAction::Drain => {
                record.draining = true;
                "draining: its replicas leave"
            }
            NodeAction::Uncordon => {
                record.cordoned = false;
                record.draining = false;
                "uncordoned: it takes replicas again"
            }
        };
        if before == (record.cordoned, record.draining) {
            return Ok(Effect::Nothing);
        }
        self.tell(at, EventKind::Node, format!("node {node}"), message.to_owned());
        Ok(Effect::Basis)
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::NodeAction;

    use crate::state::sample::{Sample, name, spec};
    use crate::state::{Applied, Command};

    fn ask(node: &str, action: NodeAction) -> Command {
        Command::Node { at: 1, node: name(node), action }
    }

    #[test]
    fn uncordon_ends_both_a_cordon_and_a_drain() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.done(ask("n1", NodeAction::Cordon));
        sample.done(ask("n1", NodeAction::Drain));
        assert!(matches!(sample.command(ask("n1", NodeAction::Drain)), Applied::Unchanged(_)));
        sample.done(ask("n1", NodeAction::Uncordon));
        let record = &sample.state.nodes["n1"];
        assert!(!record.cordoned && !record.draining);
        assert_eq!(sample.last_message(), "uncordoned: it takes replicas again");
    }

    #[test]
    fn says_whether_a_node_is_unknown_or_only_not_here_yet() {
        let mut sample = Sample::with(&[], &spec(&["n1"], &[]));
        let refused = |applied| match applied {
            Applied::Refused(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert!(refused(sample.command(ask("n1", NodeAction::Drain))).contains("has not joined yet"));
        assert!(refused(sample.command(ask("n2", NodeAction::Drain))).contains("there is no node n2"));
    }
}
