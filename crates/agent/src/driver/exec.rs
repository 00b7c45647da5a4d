use std::collections::BTreeMap;
use std::path::PathBuf;

use icefield_spec::expand;

use super::{Driver, Launch, NotStarted, find_program};
use crate::shim::ProgramOrder;

/// Programs that the node has.
#[derive(Debug)]
pub(crate) struct Exec {
    /// What every program's environment begins with; the agent's own is not passed on.
    base_env: BTreeMap<String, String>,
    /// Where programs run, if not in the replica's own folder.
    folder: Option<PathBuf>,
}

impl Exec {
    pub(crate) const fn new(base_env: BTreeMap<String, String>, folder: Option<PathBuf>) -> Self {
        Self { base_env, folder }
    }
}

impl Driver for Exec {
    fn kind(&self) -> &'static str {
        "exec"
    }

    fn order(&self, launch: &Launch<'_>) -> Result<ProgramOrder, NotStarted> {
        let arguments = arguments(launch)?;
        let mut environment = self.base_env.clone();
        environment.extend(launch.variables.clone());
        let folder = self.folder.clone().unwrap_or_else(|| launch.work.to_owned());
        let name = arguments.first().ok_or_else(|| NotStarted::for_good("the command is empty"))?;
        let program = find_program(name, environment.get("PATH").map_or("", String::as_str), &folder)
            .map_err(NotStarted::for_now)?;
        Ok(ProgramOrder { program, arguments, environment, folder })
    }
}

/// The command with the replica's variables in their places.
pub(super) fn arguments(launch: &Launch<'_>) -> Result<Vec<String>, NotStarted> {
    let lookup = |name: &str| launch.variables.get(name).cloned();
    let expanded = |argument: &String| {
        expand(argument, &lookup).map_err(|error| NotStarted::for_good(format!("{argument:?}: {error}")))
    };
    launch.unit.run.command().iter().map(expanded).collect()
}
