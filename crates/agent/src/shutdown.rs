/// What an agent that ends does with its replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// They go on, and the next agent takes them over.
    Leave,
    /// They are stopped first, each in the time that it is given.
    Stop,
}
