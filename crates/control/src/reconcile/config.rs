use icefield_spec::Millis;

/// What the cluster itself is set to: when a silent node counts as lost, and how much is replaced at once. All servers
/// of a cluster must have the same.
///
/// `docs/health.md` states the rules that these numbers are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The time from one heartbeat of an agent to the next, in a fleet that is not too large for that.
    pub heartbeat: Millis,
    /// How many heartbeats a second the leader is to be sent at most: beyond that, agents send them less often.
    pub heartbeats_per_second: u32,
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
            heartbeats_per_second: 3_000,
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

    /// The time from one heartbeat to the next in a fleet of so many nodes.
    pub(crate) fn every(&self, nodes: usize) -> Millis {
        let paced = (nodes as u64).saturating_mul(1_000) / u64::from(self.heartbeats_per_second.max(1));
        // One may go missing and the next come late, within the longest lease.
        let longest = self.longest_lease.get().saturating_sub(self.stall.get()) / 2;
        Millis::new(paced.min(longest).max(self.heartbeat.get()))
    }

    /// The lease of a node that is to be heard of so often, and whose heartbeats have come up to `gap` milliseconds apart
    /// lately.
    pub(crate) fn lease_for(&self, every: Millis, gap: u64) -> u64 {
        let (every, stall, longest) = (every.get(), self.stall.get(), self.longest_lease.get());
        let late = gap.saturating_sub(every);
        let lease = every.saturating_add(stall).saturating_add(late);
        let shortest = self.lease.get().max(every.saturating_mul(2).saturating_add(stall));
        lease.max(shortest).min(longest)
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
        let leases = [0, 500, 750, 1_000, 1_500, 60_000].map(|gap| config.lease_for(config.heartbeat, gap));
        assert_eq!(leases, [2_000, 2_000, 2_000, 2_000, 2_500, 6_000]);
    }

    #[test]
    fn a_large_fleet_reports_less_often_and_has_longer_leases() {
        let config = Config::default();
        let paces = [0, 1_500, 3_000, 6_000, usize::MAX].map(|nodes| config.every(nodes));
        assert_eq!(paces.map(Millis::get), [500, 500, 1_000, 2_000, 2_500]);
        assert_eq!(paces.map(|every| config.lease_for(every, 0)), [2_000, 2_000, 3_000, 5_000, 6_000]);
        assert_eq!(config.lease_for(paces[2], 3_500), 4_500);
    }

    #[test]
    fn a_third_is_replaced_at_once() {
        assert_eq!([1, 2, 3, 5, 6, 100].map(Config::at_once), [1, 1, 1, 1, 2, 33]);
    }
}
