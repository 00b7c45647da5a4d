use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::layout::{Layout, Running};
use super::registry::Registry;
use crate::command_error::CommandError;
use crate::output;

/// How long the supervisor may take to see that the agent is gone.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// Pulls a node's plug: its agent and its replicas die at once and stay dead.
pub(crate) fn pull_plug(name: &str) -> Result<u8, CommandError> {
    let (layout, running) = find(name)?;
    let marker = layout.unplugged(name);
    fs::write(&marker, "")
        .map_err(|error| CommandError::because(format!("cannot write {}", marker.display()), &error))?;
    let agent = running.nodes.iter().find(|node| node.name == name).and_then(|node| node.pid);
    if let Some(pid) = agent.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
    icefield_agent::kill_all(&layout.node(name))
        .map_err(|error| CommandError::because(format!("some replicas of {name} may be left"), &error))?;
    let start = Instant::now();
    while pid_of(&layout, name).is_some() && start.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
    }
    output::line(&format!("node {name} is without power; `icefield dev start-node {name}` gives it back"))?;
    Ok(0)
}

/// Gives a node its power back.
pub(crate) fn plug_in(name: &str) -> Result<u8, CommandError> {
    let (layout, _) = find(name)?;
    match fs::remove_file(layout.unplugged(name)) {
        Ok(()) => output::line(&format!("node {name} is starting"))?,
        Err(_) => output::line(&format!("node {name} has power"))?,
    }
    Ok(0)
}

fn pid_of(layout: &Layout, name: &str) -> Option<u32> {
    layout.read_running()?.nodes.into_iter().find(|node| node.name == name)?.pid
}

fn find(name: &str) -> Result<(Layout, Running), CommandError> {
    let running = Registry::open()?
        .only_running()?
        .ok_or_else(|| CommandError::new("no dev cluster is running").hint("`icefield dev FILE` starts one"))?;
    if !running.nodes.iter().any(|node| node.name == name) {
        let known = running.nodes.iter().map(|node| node.name.as_str());
        let error = CommandError::new(format!("the dev cluster has no node {name:?}"));
        return Err(match icefield_spec::nearest(name, known.clone()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("it has: {}", known.collect::<Vec<_>>().join(", "))),
        });
    }
    Ok((Layout::new(running.data.clone()), running))
}
