/// Numbers that stand for names while an engine works: positions in the world's vectors.
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
    /// A node; in the order of names.
    NodeId,
    /// A label that some rule speaks of.
    LabelId,
    /// A value of a label: all nodes with it.
    DomainId,
    /// A wanted service; in the order of names.
    ServiceId,
    /// Alike replicas: one demand of one service.
    GroupId,
    /// A wanted replica; in the order of services, then of indexes.
    ReplicaNo,
}
