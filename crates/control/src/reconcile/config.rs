use icefield_spec::Millis;

/// What the cluster itself is set to: when a silent node counts as lost, and how much is replaced at once. All servers
/// of a cluster must have the same.
///
/// `docs/health.md` states the rules that these numbers are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The time from one heartbeat of an agent to the next.
    pub heartbeat: Millis,
    /// The shortest lease of a node: it counts as lost if it is not heard of for so long.
    pub lease: Millis,
    /// The longest lease, however late heartbeats come. A new leader waits for so long before it starts a singleton
    /// elsewhere.
    pub longest_lease: Millis,
    /// How long an agent may stand still without being lost, besides being as late as lately.
    pub stall: Millis,
    /// Nodes that go silent within so long of each other go silent together.
    pub together: Millis,
    /// How long nodes are held that went silent together, before the first of them count as lost.
    pub hold_for: Millis,
    /// The time from one batch of held nodes that count as lost to the next.
    pub hold_step: Millis,
    /// How long after a node's lease a singleton is started elsewhere: time for a supervisor to notice and to kill.
    pub fence_margin: Millis,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat: Millis::new(500),
            lease: Millis::new(2_000),
            longest_lease: Millis::new(6_000),
            stall: Millis::new(1_000),
            together: Millis::new(10_000),
            hold_for: Millis::new(30_000),
            hold_step: Millis::new(10_000),
            fence_margin: Millis::new(500),
        }
    }
}

impl Config {
    /// By how much the rates of two machines' clocks may differ, as one part of so many.
    const CLOCK_RATE: u64 = 50;

    /// The lease of a node whose heartbeats have come up to `gap` milliseconds apart lately.
    pub(crate) fn lease_for(&self, gap: u64) -> u64 {
        let (every, longest) = (self.heartbeat.get(), self.longest_lease.get());
        let late = gap.saturating_sub(every);
        let lease = every.saturating_add(self.stall.get()).saturating_add(late);
        lease.max(self.lease.get()).min(longest)
    }

    /// How long a node with this lease may be silent before nothing new is placed there.
    pub(crate) const fn suspect_after(lease: u64) -> u64 {
        lease / 2
    }

    /// How many of `nodes` nodes that went silent together count as lost at once: a third, and at least one.
    pub(crate) const fn at_once(nodes: usize) -> usize {
        let third = nodes / 3;
        if third == 0 { 1 } else { third }
    }

    /// When what was promised until `until` is over on the node as well, by a clock that is not quite as fast as this
    /// server's.
    pub(crate) fn surely_over(&self, until: u64) -> u64 {
        until.saturating_add(self.longest_lease.get() / Self::CLOCK_RATE).saturating_add(self.fence_margin.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_bears_a_stall_on_top_of_the_usual_delay() {
        let config = Config::default();
        let leases = [0, 500, 750, 1_000, 1_500, 60_000].map(|gap| config.lease_for(gap));
        assert_eq!(leases, [2_000, 2_000, 2_000, 2_000, 2_500, 6_000]);
    }

    #[test]
    fn a_third_is_replaced_at_once() {
        assert_eq!([1, 2, 3, 5, 6, 100].map(Config::at_once), [1, 1, 1, 1, 2, 33]);
    }
}
