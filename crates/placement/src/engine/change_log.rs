use super::id::NodeId;

/// Which nodes have changed, in the order in which each last did: so that who has missed some can look at those alone.
///
/// It never grows beyond a few entries a node, however much happens.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    /// Changes by their numbers, rising. Of those of one node only the last counts.
    changes: Vec<(u64, NodeId)>,
    /// The number of each node's last change.
    last: Vec<u64>,
    now: u64,
}

impl ChangeLog {
    /// The number of the last change of all.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Takes note that `node` is not what it was.
    pub(super) fn note(&mut self, node: NodeId) {
        self.now += 1;
        if self.last.len() <= node.at() {
            self.last.resize(node.at() + 1, 0);
        }
        self.last[node.at()] = self.now;
        self.changes.push((self.now, node));
        if self.changes.len() > 2 * self.last.len() + 1024 {
            let last = &self.last;
            self.changes.retain(|(number, node)| last[node.at()] == *number);
        }
    }

    /// The nodes that have changed after change number `then`, each once.
    pub(super) fn since(&self, then: u64) -> impl Iterator<Item = NodeId> {
        let start = self.changes.partition_point(|(number, _)| *number <= then);
        let counting = self.changes[start..].iter().filter(|(number, node)| self.last[node.at()] == *number);
        counting.map(|(_, node)| *node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_once_and_nothing_is_forgotten() {
        let mut log = ChangeLog::default();
        log.note(NodeId::new(7));
        let then = log.now();
        assert_eq!(log.since(then).count(), 0);
        for at in [3, 1, 3] {
            log.note(NodeId::new(at));
        }
        for _ in 0..5_000 {
            log.note(NodeId::new(2));
        }
        let told = |then| log.since(then).map(NodeId::at).collect::<Vec<_>>();
        assert_eq!(told(then), [1, 3, 2]);
        assert_eq!(told(0), [7, 1, 3, 2]);
        assert!(log.changes.len() < 2_000, "{}", log.changes.len());
    }
}
