use crate::Host;
use crate::rules::Resources;

/// A node with what it can give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) host: &'a Host,
    pub(crate) capacity: Resources,
}

impl<'a> Node<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Self { host, capacity: [host.cpu.millis(), host.memory.get()] }
    }
}
