use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Whether there is a process whose standard input is the file `lock`.
pub(super) fn any(lock: &Path) -> bool {
    readers(lock).next().is_some()
}

/// Ends what an earlier agent has started and left to itself: the processes whose standard input is the file `lock`.
pub(super) fn end(lock: &Path) {
    for pid in readers(lock) {
        // The number may be another process's by now, but not once there is a handle.
        if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            && reads(pid, lock)
        {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
}

fn readers(lock: &Path) -> impl Iterator<Item = Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter(move |pid| reads(*pid, lock))
}

fn reads(pid: Pid, lock: &Path) -> bool {
    fs::read_link(format!("/proc/{}/fd/0", pid.as_raw_nonzero())).is_ok_and(|input| input == lock)
}
