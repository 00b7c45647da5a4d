use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::layout::Layout;
use super::registry::Registry;
use crate::command_error::CommandError;
use crate::output;

/// How long the supervisor may take to see that the agent is gone.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// Pulls a node's plug: its agent and its replicas die at once and stay dead.
pub(crate) fn pull_plug(name: &str, data: Option<&Path>) -> Result<u8, CommandError> {
    let layout = find(name, data)?;
    let marker = layout.unplugged(name);
    fs::write(&marker, "")
        .map_err(|error| CommandError::because(format!("cannot write {}", marker.display()), &error))?;
    let start = Instant::now();
    // With the marker there the supervisor starts no other agent; one that it was just starting is met on a later turn.
    while let Some(pid) = agent_of(&layout, name) {
        if start.elapsed() > PATIENCE {
            return Err(CommandError::new(format!("the agent of {name} does not end")));
        }
        kill_agent(&layout, name, pid);
        kill_replicas(&layout, name)?;
        std::thread::sleep(LOOK);
    }
    // Those of an agent that was dead before.
    kill_replicas(&layout, name)?;
    output::line(&format!("node {name} is without power; `icefield dev start-node {name}` gives it back"))?;
    Ok(0)
}

/// Gives a node its power back.
pub(crate) fn plug_in(name: &str, data: Option<&Path>) -> Result<u8, CommandError> {
    let layout = find(name, data)?;
    match fs::remove_file(layout.unplugged(name)) {
        Ok(()) => output::line(&format!("node {name} is starting"))?,
        Err(_) => output::line(&format!("node {name} has power"))?,
    }
    Ok(0)
}

fn kill_replicas(layout: &Layout, name: &str) -> Result<usize, CommandError> {
    icefield_agent::kill_all(&layout.node(name))
        .map_err(|error| CommandError::because(format!("some replicas of {name} may be left"), &error))
}

fn agent_of(layout: &Layout, name: &str) -> Option<u32> {
    layout.read_running()?.nodes.into_iter().find(|node| node.name == name)?.pid
}

/// Kills the process if it is the node's agent: its number may have gone to another one since it was written down.
fn kill_agent(layout: &Layout, name: &str, pid: u32) {
    let Some(process) = Pid::from_raw(pid.cast_signed()).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return;
    };
    let folder = layout.node(name);
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if command.split(|byte| *byte == 0).any(|argument| argument == folder.as_os_str().as_encoded_bytes()) {
        // It may have ended by itself meanwhile.
        let _ = pidfd_send_signal(&process, Signal::KILL);
    }
}

fn find(name: &str, data: Option<&Path>) -> Result<Layout, CommandError> {
    let running = Registry::open()?
        .find(data)?
        .ok_or_else(|| CommandError::new("no dev cluster is running").hint("`icefield dev FILE` starts one"))?;
    if !running.nodes.iter().any(|node| node.name == name) {
        let known = running.nodes.iter().map(|node| node.name.as_str());
        let error = CommandError::new(format!("the dev cluster has no node {name:?}"));
        return Err(match icefield_spec::nearest(name, known.clone()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("it has: {}", known.collect::<Vec<_>>().join(", "))),
        });
    }
    Ok(Layout::new(running.data))
}
