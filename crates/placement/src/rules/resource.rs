use icefield_spec::Cpu;

/// An amount of each [`Resource`], in its order.
pub(crate) type Resources = [u64; 2];

/// Something of which every node has so much, and every replica needs so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// In thousandths of a core.
    Cpu,
    /// In bytes.
    Memory,
}

impl Resource {
    pub(crate) const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    pub(crate) const fn at(self) -> usize {
        self as usize
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// `amount` for people, in a form that reads back as that much or slightly less.
    pub(crate) fn at_most(self, amount: u64) -> String {
        match self {
            Self::Cpu => Cpu::from_millis(amount).to_string(),
            Self::Memory => {
                let (unit, name) = unit_of(amount);
                tenths(u128::from(amount) * 10 / unit, name)
            }
        }
    }

    /// `amount` for people, in a form that reads back as that much or slightly more.
    pub(crate) fn at_least(self, amount: u64) -> String {
        match self {
            Self::Cpu => Cpu::from_millis(amount).to_string(),
            Self::Memory => {
                let (unit, name) = unit_of(amount);
                tenths((u128::from(amount) * 10).div_ceil(unit), name)
            }
        }
    }
}

/// The largest unit that `bytes` holds once.
fn unit_of(bytes: u64) -> (u128, &'static str) {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    units.into_iter().find(|(unit, _)| u128::from(bytes) >= *unit).unwrap_or((1, "B"))
}

fn tenths(tenths: u128, unit: &str) -> String {
    match tenths % 10 {
        0 => format!("{}{unit}", tenths / 10),
        rest => format!("{}.{rest}{unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Bytes;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_short() {
        let memory = Resource::Memory;
        assert_eq!(memory.at_most(1536 << 20), "1.5GiB");
        assert_eq!(memory.at_most(1_600_000_000), "1.4GiB");
        assert_eq!(memory.at_least(1_600_000_000), "1.5GiB");
        assert_eq!(memory.at_most(1023), "1023B");
        assert_eq!(Resource::Cpu.at_most(1500), "1500m");
        assert_eq!(Resource::Cpu.at_least(2000), "2");
    }

    proptest! {
        #[test]
        fn amounts_read_back_on_the_right_side(bytes in 0..=Bytes::MAX.get()) {
            let read = |text: String| text.parse::<Bytes>().unwrap().get();
            let (below, above) = (read(Resource::Memory.at_most(bytes)), read(Resource::Memory.at_least(bytes)));
            prop_assert!(below <= bytes && bytes <= above);
            prop_assert!(above - below <= bytes / 9 + 1);
        }
    }
}
