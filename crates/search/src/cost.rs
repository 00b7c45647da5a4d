/// What a layout costs: first what is left unplaced, then all else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// The importance of all replicas that are unplaced.
    pub unplaced: i64,
    /// Loads, balances, gains (less than zero), evenness, fill and moves.
    pub amount: i64,
}
