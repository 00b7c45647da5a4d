use super::members::Founders;

/// How a server gets into a group. With data of its own it is in one, and goes on there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It forms a new one with these, of which it is one; each of them is started so. Where it is in the group already,
    /// this says where the others are reached now.
    Form(Founders),
    /// A group's leader has given it this number.
    Join {
        /// The number.
        number: u64,
        /// The group.
        group: String,
    },
    /// It must be in one.
    Resume,
}
