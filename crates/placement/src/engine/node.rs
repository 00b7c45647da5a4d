use std::sync::Arc;

use icefield_spec::Name;

use crate::Host;

/// A node, present or known only by name.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: Name,
    /// What it is; `None` if there is no such node.
    pub(crate) host: Option<Arc<Host>>,
}
