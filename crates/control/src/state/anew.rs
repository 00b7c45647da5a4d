use super::State;

/// By how much the numbers of generations rise when a cluster begins anew.
const LEAP: u64 = 1_000_000;

impl State {
    /// Makes the state that of a cluster that begins anew from it: of a backup, or of a server that was left alone.
    ///
    /// Agents may have had generations that this state does not know of, and refuse lower numbers than those; so it is
    /// with the attempts of jobs. So the numbers rise by more than could have been given out meanwhile.
    pub(crate) fn begin_anew(&mut self) {
        for record in self.nodes.values_mut() {
            record.generation += LEAP;
        }
        self.attempts += LEAP as u32;
    }
}

#[cfg(test)]
mod tests {
    use crate::state::sample::{Sample, spec};

    #[test]
    fn generations_are_newer_than_any_that_an_agent_can_have() {
        let mut sample = Sample::with(&["n1"], &spec(&["n1"], &[]));
        let before = sample.generation("n1");
        sample.state.begin_anew();
        assert!(sample.generation("n1") > before + 100_000);
        sample.register("n1", "10.9.9.9");
        assert!(sample.generation("n1") > before + 100_001);
    }
}
