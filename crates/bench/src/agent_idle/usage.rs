use std::fs;

use crate::Failure;

/// What a process has used since it was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Time on a processor.
    nanoseconds: u64,
    /// How often it was woken.
    switches: u64,
    /// Its resident memory; of that, what is not of files.
    pub(super) resident_mib: f64,
    pub(super) anonymous_mib: f64,
}

impl Usage {
    pub(super) fn of(pid: u64) -> Result<Self, Failure> {
        let (mut nanoseconds, mut switches) = (0, 0);
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            // To the nanosecond, where `stat` counts in hundredths of a second.
            let used = fs::read_to_string(task.join("schedstat"))?;
            nanoseconds += used.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
            switches += field(&fs::read_to_string(task.join("status"))?, "voluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mebibytes = |name| field(&status, name) as f64 / 1024.0;
        Ok(Self { nanoseconds, switches, resident_mib: mebibytes("VmRSS:"), anonymous_mib: mebibytes("RssAnon:") })
    }

    /// How much of one core it has used since `before`, `seconds` ago: in percent.
    pub(super) fn cpu_percent(self, before: Self, seconds: f64) -> f64 {
        (self.nanoseconds - before.nanoseconds) as f64 / 1e7 / seconds
    }

    /// How often it was woken in each second since then.
    pub(super) fn wakeups(self, before: Self, seconds: f64) -> f64 {
        (self.switches - before.switches) as f64 / seconds
    }
}

/// The number in the line that begins with `name`; 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
