use icefield_spec::Millis;

/// What the cluster itself is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// A node counts as lost if it is not heard of for so long.
    pub lease: Millis,
}

impl Default for Config {
    fn default() -> Self {
        Self { lease: Millis::new(1_500) }
    }
}
