use icefield_api::EventKind;
use icefield_spec::Name;

use super::{Effect, State};

impl State {
    pub(super) fn lease(&mut self, at: u64, node: &Name, lost: bool, reason: &str) -> Result<Effect, String> {
        let record = self.nodes.get_mut(node).ok_or_else(|| format!("no node {node} has ever joined"))?;
        if record.lost == lost {
            return Ok(Effect::Nothing);
        }
        record.lost = lost;
        let word = if lost { "lost" } else { "returned" };
        let message = if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") };
        self.tell(at, EventKind::Node, format!("node {node}"), message);
        Ok(Effect::Basis)
    }
}

#[cfg(test)]
mod tests {
    use crate::state::sample::{Sample, name, spec};
    use crate::state::{Applied, Command};

    fn lease(node: &str, lost: bool) -> Command {
        Command::Lease { at: 1, node: name(node), lost, reason: "not heard of for 3s".into() }
    }

    #[test]
    fn a_node_is_lost_once_and_returns_once() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        sample.done(lease("n1", true));
        assert_eq!(sample.last_message(), "lost: not heard of for 3s");
        assert!(matches!(sample.command(lease("n1", true)), Applied::Unchanged(_)));
        sample.done(lease("n1", false));
        assert!(!sample.state.nodes["n1"].lost);
        assert_eq!(sample.generation("n1"), 1, "a lease changes no plan");
    }

    #[test]
    fn an_unknown_node_is_refused() {
        let mut sample = Sample::default();
        assert_eq!(sample.command(lease("n9", true)), Applied::Refused("no node n9 has ever joined".into()));
    }
}
