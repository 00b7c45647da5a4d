use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::Failure;

/// What a process has used since it was started, and has now.
#[derive(Debug)]
pub(super) struct Usage {
    /// Time on a processor.
    nanoseconds: u64,
    /// How often it was woken.
    switches: u64,
    resident_mib: f64,
    anonymous_mib: f64,
}

/// What a process used in a while.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Used {
    /// How much of one core, in percent.
    pub(super) cpu_percent: f64,
    /// How often it was woken, each second.
    wakeups_per_second: f64,
    /// Its resident memory at the end, in mebibytes; of that, what is not of files.
    pub(super) resident_mib: f64,
    anonymous_mib: f64,
}

impl Usage {
    pub(super) fn of(pid: u64) -> Result<Self, Failure> {
        let (mut nanoseconds, mut switches) = (0, 0);
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            nanoseconds += time_of(&task)?;
            switches += field(&fs::read_to_string(task.join("status"))?, "voluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mebibytes = |name| field(&status, name) as f64 / 1024.0;
        Ok(Self { nanoseconds, switches, resident_mib: mebibytes("VmRSS:"), anonymous_mib: mebibytes("RssAnon:") })
    }

    /// What was used since `before`, `seconds` ago.
    pub(super) fn since(&self, before: &Self, seconds: f64) -> Used {
        Used {
            cpu_percent: (self.nanoseconds - before.nanoseconds) as f64 / 1e7 / seconds,
            wakeups_per_second: (self.switches - before.switches) as f64 / seconds,
            resident_mib: self.resident_mib,
            anonymous_mib: self.anonymous_mib,
        }
    }
}

impl Used {
    pub(super) fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Self {
            cpu_percent: mean(|used| used.cpu_percent),
            wakeups_per_second: mean(|used| used.wakeups_per_second),
            resident_mib: mean(|used| used.resident_mib),
            anonymous_mib: mean(|used| used.anonymous_mib),
        }
    }
}

/// How long a thread has been on a processor, in nanoseconds, where `stat` counts in hundredths of a second.
pub(super) fn time_of(task: &Path) -> Result<u64, Failure> {
    let used = fs::read_to_string(task.join("schedstat"))?;
    Ok(used.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
}

/// The number in the line that begins with `name`; 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
