use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use icefield_control::raft::{self, Disk, FolderDisk, Member};
use icefield_control::vault::{RecoveryKey, RestoreSecrets};

use crate::command_error::CommandError;
use crate::output;

/// Makes the folder of a cluster's first server from a backup
///
/// Start the server with the same --name, --listen and --data then, and join others to it. What was changed after the backup was made is not in it. Servers of the cluster that was backed up must not run any more: agents would be told two things.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// The server's name
    #[arg(long)]
    name: String,
    /// Where it will listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Its folder; must be empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The key that the backup's secrets are opened with: the file of `icefield backup --key-out`
    #[arg(long, value_name = "FILE", conflicts_with = "without_secrets")]
    key: Option<PathBuf>,
    /// Leave the secrets behind; they must be set anew
    #[arg(long)]
    without_secrets: bool,
}

pub(crate) fn run(arguments: &RestoreArgs) -> Result<u8, CommandError> {
    let RestoreArgs { file, name, listen, data, key, without_secrets } = arguments;
    let failed = |error: &dyn std::error::Error| {
        CommandError::because(format!("cannot restore {} into {}", file.display(), data.display()), error)
    };
    let content = std::fs::read(file).map_err(|error| failed(&error))?;
    let key = match key {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            Some(RecoveryKey::parse(&text).map_err(|error| failed(&error))?)
        }
        None => None,
    };
    let secrets = match &key {
        Some(key) => RestoreSecrets::Open(key),
        None if *without_secrets => RestoreSecrets::Drop,
        None => RestoreSecrets::Expect,
    };
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(data.clone()).map_err(|error| failed(&error))?);
    let me = Member::new(name, format!("https://{listen}"));
    let restored = raft::restore(&disk, me, raft::new_group(), &content, secrets);
    let restored = restored.map_err(|error| failed(&error))?;
    output::line(&format!("{} holds the state as of version {}", data.display(), restored.version))?;
    output::line(&format!("start it: icefield server --name {name} --listen {listen} --data {}", data.display()))?;
    Ok(0)
}
