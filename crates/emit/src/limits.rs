use icefield_spec::{Cpu, Millis};

/// The weight of a unit's control group that reserves `cpu`: a hundred for a core, which is also the kernel's default.
///
/// CPU is reserved, not capped: what others leave unused a replica may have.
pub fn cpu_weight(cpu: Cpu) -> u64 {
    (cpu.millis() / 10).clamp(1, 10_000)
}

/// `grace` as systemd writes a length of time. Zero would mean "for ever" there.
pub fn stop_timeout(grace: Millis) -> String {
    grace.max(Millis::new(1)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_stay_within_the_kernels_bounds() {
        assert_eq!(cpu_weight(Cpu::from_millis(0)), 1);
        assert_eq!(cpu_weight(Cpu::from_millis(500)), 50);
        assert_eq!(cpu_weight(Cpu::from_millis(1_000)), 100);
        assert_eq!(cpu_weight(Cpu::MAX), 10_000);
    }

    #[test]
    fn a_replica_without_grace_is_killed_at_once_and_not_never() {
        assert_eq!(stop_timeout(Millis::new(0)), "1ms");
        assert_eq!(stop_timeout(Millis::new(90_000)), "90s");
    }
}
