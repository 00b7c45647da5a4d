use std::collections::{BTreeMap, BTreeSet};

use icefield_spec::Name;

/// What the leading server thinks of the nodes' health. Whom it says nothing of is well, or known to be lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Health {
    /// Nodes that have been silent for a while.
    pub(crate) suspects: BTreeSet<Name>,
    /// Those of them whose lease has run out and that are held, because too many went silent together; each with since
    /// when it is.
    pub(crate) held: BTreeMap<Name, u64>,
    /// When the first of the held ones are let go; says nothing while none is held.
    pub(crate) until: u64,
    /// When the last batch of held nodes was let go.
    pub(crate) batch: Option<u64>,
    /// Those that are to count as lost now, each with the reason.
    pub(crate) gone: BTreeMap<Name, String>,
}

impl Health {
    /// Whether nothing new is to be placed on a node.
    pub(crate) fn is_suspect(&self, node: &str) -> bool {
        self.suspects.contains(node)
    }
}
