use std::fs;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::layout::Layout;
use super::registry::Registry;
use crate::command_error::CommandError;
use crate::output;

/// How long a cluster may take to end.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// Ends the dev cluster with its data in `data`, or the only one that runs.
pub(crate) fn stop(data: Option<PathBuf>) -> Result<u8, CommandError> {
    let registry = Registry::open()?;
    let layout = match data {
        Some(data) => {
            let data = fs::canonicalize(&data)
                .map_err(|error| CommandError::because(format!("cannot find {}", data.display()), &error))?;
            let layout = Layout::new(data);
            if layout.read_running().is_none() {
                return Err(CommandError::new(format!("{} holds no dev cluster", layout.root().display())));
            }
            layout
        }
        None => match registry.only_running()? {
            Some(running) => Layout::new(running.data),
            None => {
                sweep(&registry);
                output::line("no dev cluster is running")?;
                for kept in registry.layouts().iter().filter(|layout| is_kept(layout)) {
                    let data = kept.root().display();
                    output::line(&format!(
                        "one was killed and may have left replicas: icefield dev --stop --data {data}"
                    ))?;
                }
                return Ok(0);
            }
        },
    };
    if layout.is_locked() {
        end(&layout)?;
    }
    clear(&registry, &layout);
    output::line("the dev cluster has ended")?;
    Ok(0)
}

/// Ends the process that has the data folder, and waits until it is gone.
fn end(layout: &Layout) -> Result<(), CommandError> {
    let fail = |error: &dyn std::error::Error| CommandError::because("cannot end the dev cluster", error);
    let running = layout.read_running();
    let pid = running
        .and_then(|running| Pid::from_raw(running.pid.cast_signed()))
        .ok_or_else(|| CommandError::new(format!("{} does not say which process runs", layout.root().display())))?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| fail(&error))?;
    pidfd_send_signal(&process, Signal::TERM).map_err(|error| fail(&error))?;
    // A process's descriptor is readable once it has ended.
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&PATIENCE)).map_err(|error| fail(&error))?;
    if ended == 0 {
        return Err(CommandError::new("the dev cluster does not end").hint(format!("kill -9 {}", pid.as_raw_nonzero())));
    }
    Ok(())
}

/// Ends what is left of clusters whose `icefield dev` was killed.
pub(super) fn sweep(registry: &Registry) {
    for layout in registry.layouts() {
        if !layout.is_locked() && !is_kept(&layout) {
            clear(registry, &layout);
        }
    }
}

/// Whether the cluster's data is its user's, who may start it again: its replicas are then adopted.
fn is_kept(layout: &Layout) -> bool {
    layout.read_running().is_some_and(|running| !running.temporary)
}

fn clear(registry: &Registry, layout: &Layout) {
    kill_replicas(layout);
    registry.remove(layout.root());
    if layout.read_running().is_some_and(|running| running.temporary) {
        remove(layout.root());
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        output::complain(&format!("cannot remove {}: {error}\n", folder.display()));
    }
}

/// Kills what is left of the replicas of every node.
pub(super) fn kill_replicas(layout: &Layout) {
    for node in layout.nodes() {
        if let Err(error) = icefield_agent::kill_all(&node) {
            crate::output::report(&CommandError::because("some replicas may be left", &error));
        }
    }
}
