use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::Process;
use super::table::{self, Entry};

/// Sends `signal` to the process group that `process` leads, if it still runs.
pub(crate) fn signal_group(process: &Process, signal: Signal) {
    if process.is_alive()
        && let Some(pid) = number(process.pid)
    {
        // Without a group it has not come so far as to lead one, and stands alone. Any other error means that it ended
        // just now, which is what the signal is for.
        if kill_process_group(pid, signal) == Err(rustix::io::Errno::SRCH) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Sends `signal` to `process` alone, if it still runs.
pub(crate) fn signal_alone(process: &Process, signal: Signal) {
    if process.is_alive()
        && let Some(pid) = number(process.pid)
    {
        let _ = kill_process(pid, signal);
    }
}

/// Kills what is left of the session that `leader` began, and tells how many processes that were.
///
/// A session's number is not given to a new process while any of the session is left, so whatever has it belongs to
/// `leader`, unless another process took the number after all of them had ended.
pub(crate) fn kill_session(leader: &Process) -> usize {
    if !leader.is_of_this_boot() || leader.is_replaced() {
        return 0;
    }
    let of_it = |entry: &Entry| entry.session == leader.pid && leader.is_older_than(entry.start) && !entry.has_ended();
    kill(table::all().into_iter().filter(of_it))
}

/// Kills every child of the calling process.
///
/// A child subreaper becomes the parent of all its descendants whose own parents end, so doing this over and over until
/// there are none reaches each of them.
pub(crate) fn kill_descendants() {
    let own = std::process::id();
    kill(table::all().into_iter().filter(|entry| entry.parent == own));
}

fn kill(entries: impl Iterator<Item = Entry>) -> usize {
    let mut killed = 0;
    for pid in entries.filter_map(|entry| number(entry.pid)) {
        let _ = kill_process(pid, Signal::KILL);
        killed += 1;
    }
    killed
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}
