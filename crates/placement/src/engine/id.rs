/// Numbers that stand for names while an engine works: positions in the state's vectors.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) u32);

        impl $name {
            pub(crate) const fn new(position: usize) -> Self {
                Self(position as u32)
            }

            pub(crate) const fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A node, present or known only by name.
    NodeId,
    /// A label that some rule speaks of.
    LabelId,
    /// A value of a label: all nodes with it.
    DomainId,
    /// A service, wanted or known only by name.
    ServiceId,
    /// Something that nodes have an amount of.
    ResourceId,
    /// A namespace that has a quota.
    QuotaId,
}

impl ResourceId {
    pub(crate) const CPU: Self = Self(0);
    pub(crate) const MEMORY: Self = Self(1);
}

/// A replica that is wanted, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReplicaKey {
    pub(crate) service: ServiceId,
    pub(crate) index: u32,
}
