use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// What a program leaves in its control groups when it has ended.
#[derive(Debug)]
pub(crate) struct Leftovers {
    groups: Vec<PathBuf>,
    kills_before: u64,
}

impl Leftovers {
    /// For a program that is yet to join `groups`.
    pub(crate) fn new(groups: &[PathBuf]) -> Self {
        let mut leftovers = Self { groups: groups.to_vec(), kills_before: 0 };
        leftovers.kills_before = leftovers.kills();
        leftovers
    }

    /// Whether the kernel has killed one of its processes for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.kills() > self.kills_before
    }

    /// Kills every process that is in one of the groups, and tells how many there were.
    pub(crate) fn kill(&self) -> usize {
        let mut found = 0;
        for group in &self.groups {
            let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            for pid in members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                let _ = kill_process(pid, Signal::KILL);
                found += 1;
            }
        }
        found
    }

    /// How many processes the kernel has killed in the groups so far; both versions name the counter alike.
    fn kills(&self) -> u64 {
        let counters =
            self.groups.iter().flat_map(|group| [group.join("memory.events"), group.join("memory.oom_control")]);
        let count = |path: PathBuf| {
            let text = fs::read_to_string(path).ok()?;
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
        };
        counters.filter_map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_kills_count() {
        for file in ["memory.events", "memory.oom_control"] {
            let group = tempfile::tempdir().unwrap();
            let set =
                |count: u32| fs::write(group.path().join(file), format!("under_oom 0\noom_kill {count}\n")).unwrap();
            set(3);
            let leftovers = Leftovers::new(&[group.path().to_owned()]);
            assert!(!leftovers.ran_out_of_memory());
            set(4);
            assert!(leftovers.ran_out_of_memory());
        }
    }

    #[test]
    fn no_group_leaves_nothing() {
        let leftovers = Leftovers::new(&["/nowhere".into()]);
        assert_eq!((leftovers.kill(), leftovers.ran_out_of_memory()), (0, false));
    }
}
