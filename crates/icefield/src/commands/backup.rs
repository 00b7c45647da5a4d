use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::ClusterArgs;
use crate::command_error::CommandError;
use crate::{connect, output};

/// Writes the whole state of the cluster into a file
///
/// `icefield restore` makes a new cluster from it. It holds what the cluster knows, secrets too: keep it like a key.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not be there yet
    file: PathBuf,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &BackupArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let content = connect::runtime()?.block_on(client.backup())?;
    let path = arguments.file.display();
    let write = || {
        let mut file = create(&arguments.file)?;
        file.write_all(&content)?;
        file.sync_all()
    };
    write().map_err(|error| CommandError::because(format!("cannot write {path}"), &error))?;
    output::line(&format!("{path} holds the state of the cluster ({} bytes)", content.len()))?;
    Ok(0)
}

/// Nobody else may read it.
fn create(path: &PathBuf) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}
