use std::io;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::table::Entry;

/// One process, not to be mistaken for a later one that has its number; or none at all, for what only waits to be woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// 0 for none.
    pub(super) pid: u32,
    /// When it started, in clock ticks since the machine did.
    start: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Process {
    /// The process that has the number `pid` now.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start: Entry::read(pid)?.start, boot: boot()? })
    }

    /// A process that had the number `pid`, and has ended.
    pub(crate) fn of_ended(pid: u32) -> Self {
        Self { pid, start: u64::MAX, boot: boot().unwrap_or_default() }
    }

    /// No process: what a replica has whose units are timers and the like.
    pub(crate) fn none() -> Self {
        Self::of_ended(0)
    }

    /// Its number, if it is one.
    pub(crate) const fn pid(&self) -> Option<u32> {
        if self.pid == 0 { None } else { Some(self.pid) }
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let same = |entry: &Entry| entry.start == self.start && !entry.has_ended();
        self.is_of_this_boot() && Entry::read(self.pid).is_ok_and(|entry| same(&entry))
    }

    /// Those variables of its environment that are among `names`, as they were when its program was started.
    pub(crate) fn variables(&self, names: &[String]) -> Vec<(String, String)> {
        let all = std::fs::read(format!("/proc/{}/environ", self.pid)).map(Zeroizing::new).unwrap_or_default();
        if !self.is_alive() {
            return Vec::new();
        }
        let texts = all.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok()?.split_once('='));
        let named = texts.filter(|(name, _)| names.iter().any(|known| known == name));
        named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Whether the machine has not been restarted since it was started.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Whether a process that started at `start` may be one that this one brought forth.
    pub(super) const fn is_older_than(&self, start: u64) -> bool {
        self.start <= start
    }

    /// Whether another process has its number now.
    pub(super) fn is_replaced(&self) -> bool {
        Entry::read(self.pid).is_ok_and(|entry| entry.start != self.start)
    }
}

fn boot() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_process_is_alive() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { start: own.start + 1, ..own.clone() }.is_alive(), "another start time");
        assert!(!Process { boot: "another".into(), ..own.clone() }.is_alive(), "another boot");
        assert!(!Process { pid: u32::MAX, ..own.clone() }.is_alive(), "no such number");
        let none = Process::none();
        assert!(none.pid().is_none() && !none.is_alive() && !none.is_older_than(0) && none.is_of_this_boot());
        assert_eq!(own.pid(), Some(std::process::id()));
    }
}
