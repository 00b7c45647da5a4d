use std::collections::BTreeMap;
use std::fmt;

/// What one seed came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// A hash of all that happened: the same each time.
    pub trace: String,
    /// What was not as it must be.
    pub failure: Option<Failure>,
    /// The last of what happened, in words, oldest first.
    pub last: Vec<String>,
    /// How long it took by the simulated clock, in milliseconds.
    pub virtual_ms: u64,
    /// How many commands the servers agreed on.
    pub commits: u64,
    /// How many messages were sent.
    pub messages: u64,
    /// How many writes clients were told to be done.
    pub acknowledged: u64,
    /// How many linearizable reads clients made.
    pub reads: u64,
    /// How often what failed, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

/// What was not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What must hold.
    pub invariant: &'static str,
    /// What was seen instead.
    pub message: String,
    /// When, in milliseconds since the start.
    pub at: u64,
}

impl Outcome {
    /// What is known of a run that has panicked.
    pub(crate) fn panicked(seed: u64) -> Self {
        let message = "it has panicked; what was printed says where".to_owned();
        let failure = Some(Failure { invariant: "the simulation runs", message, at: 0 });
        Self { seed, failure, ..Self::default() }
    }
}

impl fmt::Display for Outcome {
    /// Of a failure all that there is to know, and how to see it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, trace, .. } = self;
        let Some(Failure { invariant, message, at }) = &self.failure else {
            return write!(f, "seed {seed}: all is well (trace {trace})");
        };
        writeln!(f, "seed {seed}: broken after {at} ms: {invariant}: {message}")?;
        for line in &self.last {
            writeln!(f, "  {line}")?;
        }
        write!(f, "trace {trace}; to see it again: icefield-bench sim --seeds 1 --from {seed}")
    }
}
