use std::path::PathBuf;

use crate::command_error::CommandError;

/// Where this user's Icefield keeps what is not of a project: `$ICEFIELD_HOME`, else `$XDG_STATE_HOME/icefield`, else
/// `~/.local/state/icefield`.
pub(crate) fn home() -> Result<PathBuf, CommandError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ICEFIELD_HOME")
        .or_else(|| set("XDG_STATE_HOME").map(|state| state.join("icefield")))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/icefield")))
        .ok_or_else(|| CommandError::new("neither ICEFIELD_HOME nor HOME is set").hint("set ICEFIELD_HOME to a folder"))
}
