use crate::Cost;

/// How good a layout is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    /// How often rules are broken.
    pub(crate) broken: i64,
    /// By how much capacities are exceeded, all together.
    pub(crate) excess: i64,
    pub(crate) cost: Cost,
}
