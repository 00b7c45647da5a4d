use icefield_spec::{Bytes, Cpu};

/// A value for one of a group's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) file: &'static str,
    pub(super) value: String,
    /// Whether the group is of no use without it.
    pub(super) needed: bool,
}

const fn setting(file: &'static str, value: String, needed: bool) -> Setting {
    Setting { file, value, needed }
}

/// Version 2. One core is the default weight, 100.
pub(super) fn unified(cpu: Cpu, memory: Bytes) -> Vec<Setting> {
    vec![
        setting("memory.max", memory.get().to_string(), true),
        // A replica that lost one of its processes is no longer what was started.
        setting("memory.oom.group", "1".into(), false),
        setting("cpu.weight", (cpu.millis() / 10).clamp(1, 10_000).to_string(), false),
    ]
}

/// The memory controller of version 1.
pub(super) fn memory(memory: Bytes) -> Vec<Setting> {
    vec![setting("memory.limit_in_bytes", memory.get().to_string(), true)]
}

/// The CPU controller of version 1. One core is the default share, 1024.
pub(super) fn cpu(cpu: Cpu) -> Vec<Setting> {
    let shares = u128::from(cpu.millis()) * 1024 / 1000;
    vec![setting("cpu.shares", shares.clamp(2, 262_144).to_string(), true)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(settings: &[Setting]) -> Vec<String> {
        settings.iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
    }

    #[test]
    fn reservations_become_weights_and_limits() {
        let half = Cpu::from_millis(500);
        let small = Bytes::new(64 << 20);
        assert_eq!(values(&unified(half, small)), ["memory.max=67108864", "memory.oom.group=1", "cpu.weight=50"]);
        assert_eq!(values(&memory(small)), ["memory.limit_in_bytes=67108864"]);
        assert_eq!(values(&cpu(half)), ["cpu.shares=512"]);
    }

    #[test]
    fn extremes_stay_within_what_the_kernel_takes() {
        assert_eq!(values(&cpu(Cpu::default())), ["cpu.shares=2"]);
        assert_eq!(values(&cpu(Cpu::MAX)), ["cpu.shares=262144"]);
        assert!(values(&unified(Cpu::MAX, Bytes::MAX)).contains(&"cpu.weight=10000".to_owned()));
        assert!(values(&unified(Cpu::default(), Bytes::MAX)).contains(&"cpu.weight=1".to_owned()));
    }
}
