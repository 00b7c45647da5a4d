//! Amounts of resources, as fixes speak of them.

use std::collections::BTreeMap;

use icefield_spec::{Amount, Bytes, Cpu};

/// `text` as an amount: a number, or bytes.
pub(super) fn read(text: &str) -> Amount {
    text.parse().map(Amount::Count).unwrap_or_else(|_| Amount::Bytes(text.parse().unwrap()))
}

/// Changes how much there is of `what`, in something that has CPU, memory and others.
pub(super) fn change(
    (cpu, memory, others): (&mut Cpu, &mut Bytes, &mut BTreeMap<String, Amount>),
    what: &str,
    change: impl FnOnce(u64) -> u64,
) {
    match what {
        "cpu" => *cpu = Cpu::from_millis(change(cpu.millis())),
        "memory" => *memory = Bytes::new(change(memory.get())),
        other => {
            let before = others.get(other).copied().unwrap_or(Amount::Count(0));
            others.insert(other.to_owned(), before.like(change(before.get())));
        }
    }
}

/// `text` in what `what` is counted by.
pub(super) fn of(what: &str, text: &str) -> u64 {
    match what {
        "cpu" => text.parse::<Cpu>().unwrap().millis(),
        "memory" => text.parse::<Bytes>().unwrap().get(),
        _ => read(text).get(),
    }
}
