use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Ends what an earlier agent has started and left to itself: the processes whose standard input is the file `lock`.
pub(super) fn end(lock: &Path) {
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for entry in processes.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { continue };
        let reads_it = || fs::read_link(entry.path().join("fd/0")).is_ok_and(|input| input == lock);
        if !reads_it() {
            continue;
        }
        // The number may be another process's by now, but not once there is a handle.
        if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            && reads_it()
        {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
}
