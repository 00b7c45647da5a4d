use std::sync::Arc;

use icefield_api::{EventKind, NodeAction};
use icefield_pki::Identity;
use icefield_spec::Name;

use super::events::Telling;
use super::{Effect, State};
use crate::count::count;

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
            NodeAction::Remove | NodeAction::ForceRemove => {
                return self.remove_node(at, node, action == NodeAction::ForceRemove);
            }
            _ if record.removed => {
                return Err(format!("node {node} was removed; it joins again when its agent is started anew"));
            }
            NodeAction::Rollback => return self.return_system(at, node),
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
        if action == NodeAction::Uncordon && self.forbid_restart(node) {
            self.refresh([node]);
        }
        self.tell(at, EventKind::Node, format!("node {node}"), message.to_owned());
        Ok(Effect::Basis)
    }

    fn remove_node(&mut self, at: u64, node: &Name, force: bool) -> Result<Effect, String> {
        let on_it = self.placed.on_node(node.as_str()).count();
        let Some(record) = self.nodes.get_mut(node).filter(|record| !record.removed) else {
            return Ok(Effect::Nothing);
        };
        let is_empty = record.draining && on_it == 0;
        if !(force || record.lost || is_empty) {
            let stands = match (record.draining, on_it) {
                (true, left) => format!("is draining and still has {}", count(left as u64, "replica")),
                (false, _) => "is there and not drained".to_owned(),
            };
            return Err(format!(
                "node {node} {stands}; let it drain first (\"icefield node drain {node} --wait\"), or give it up as it \
                 is with --force"
            ));
        }
        (record.removed, record.lost) = (true, true);
        (record.cordoned, record.draining) = (false, false);
        self.forget_node_of_bases(node);
        let mut telling = Telling::new(at);
        telling.tell(EventKind::Node, || (format!("node {node}"), "removed".to_owned()));
        self.release_ties_to(node, &mut telling);
        if !self.trust.is_empty() {
            // Its certificates are good no more: it joins again with a new token.
            Arc::make_mut(&mut self.trust).enrolled.remove(&Identity::Node(node.clone()));
        }
        self.tell_all(telling);
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

    #[test]
    fn only_what_is_gone_or_empty_is_removed_unless_by_force() {
        let refused = |sample: &mut Sample| match sample.command(ask("n1", NodeAction::Remove)) {
            Applied::Refused(reason) => reason,
            other => panic!("{other:?}"),
        };
        let placed = || {
            let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[("web", "a", 1)]));
            sample.place("web/0", "n1");
            sample
        };
        let mut drained = placed();
        assert!(refused(&mut drained).starts_with("node n1 is there and not drained; let it drain first"));
        drained.done(ask("n1", NodeAction::Drain));
        assert!(refused(&mut drained).starts_with("node n1 is draining and still has 1 replica"));
        drained.remove("web/0");
        let mut lost = placed();
        lost.done(Command::Lease { at: 1, node: name("n1"), lost: true, reason: String::new() });
        for mut sample in [drained, lost] {
            sample.done(ask("n1", NodeAction::Remove));
            assert_eq!(sample.last_message(), "removed");
            assert!(matches!(sample.command(ask("n1", NodeAction::Remove)), Applied::Unchanged(_)));
            let wish = sample.command(ask("n1", NodeAction::Cordon));
            assert!(matches!(wish, Applied::Refused(reason) if reason.contains("joins again")));
        }
        let mut forced = placed();
        forced.done(ask("n1", NodeAction::ForceRemove));
        assert!(forced.state.nodes["n1"].lost);
    }
}
