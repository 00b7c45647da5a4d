use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::layout::Layout;
use super::registry::Registry;
use crate::command_error::CommandError;
use crate::output;

/// How long a cluster may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Ends the dev cluster with its data in `data`, or the only one that runs.
pub(crate) fn stop(data: Option<PathBuf>) -> Result<u8, CommandError> {
    let registry = Registry::open()?;
    let layout = match data {
        Some(data) => {
            let data = fs::canonicalize(&data)
                .map_err(|error| CommandError::because(format!("cannot find {}", data.display()), &error))?;
            Layout::new(data)
        }
        None => match registry.only_running()? {
            Some(running) => Layout::new(running.data),
            None => {
                sweep(&registry);
                output::line("no dev cluster is running")?;
                return Ok(0);
            }
        },
    };
    let running = layout.read_running();
    if layout.is_locked() {
        let pid = running.as_ref().and_then(|running| Pid::from_raw(running.pid.cast_signed()));
        let pid = pid
            .ok_or_else(|| CommandError::new(format!("{} does not say which process runs", layout.root().display())))?;
        kill_process(pid, Signal::TERM).map_err(|error| CommandError::because("cannot end the dev cluster", &error))?;
        let start = Instant::now();
        while layout.is_locked() {
            if start.elapsed() > PATIENCE {
                return Err(
                    CommandError::new("the dev cluster does not end").hint(format!("kill -9 {}", pid.as_raw_nonzero()))
                );
            }
            std::thread::sleep(LOOK);
        }
    }
    clear(&registry, &layout);
    output::line("the dev cluster has ended")?;
    Ok(0)
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
            CommandError::because("some replicas may be left", &error).report();
        }
    }
}
