use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use icefield_api::{BackupKeyRequest, Client};
use icefield_control::vault::{RecoveryKey, ServerKey};

use crate::args::ClusterArgs;
use crate::command_error::CommandError;
use crate::{connect, output};

/// Writes the whole state of the cluster into a file
///
/// `icefield restore` makes a new cluster from it. It holds the key of the certificate authority: keep it like a key. Secrets are sealed in it, and opened with the file of --key-out alone: keep that elsewhere.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not be there yet
    file: PathBuf,
    /// The file to write the key to that the secrets in it are opened with; it must not be there yet
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &BackupArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let runtime = connect::runtime()?;
    // The key first: one that is changed in between must not leave a backup that it does not fit.
    let before = arguments.key_out.as_ref().map(|_| runtime.block_on(key(&client))).transpose()?.flatten();
    let content = runtime.block_on(client.backup())?;
    let after = arguments.key_out.as_ref().map(|_| runtime.block_on(key(&client))).transpose()?.flatten();
    if before.as_ref().map(RecoveryKey::reveal) != after.as_ref().map(RecoveryKey::reveal) {
        return Err(
            CommandError::new("the key of the secrets was changed meanwhile; nothing was written").hint("run it again")
        );
    }
    let path = arguments.file.display();
    let write = || {
        let mut file = create(&arguments.file)?;
        file.write_all(&content)?;
        file.sync_all()
    };
    write().map_err(|error| CommandError::because(format!("cannot write {path}"), &error))?;
    output::line(&format!("{path} holds the state of the cluster ({} bytes)", content.len()))?;
    match (&arguments.key_out, after) {
        (Some(path), Some(key)) => {
            let shown = path.display();
            let written = create(path).and_then(|mut file| {
                file.write_all(key.reveal().as_bytes())?;
                file.sync_all()
            });
            written.map_err(|error| CommandError::because(format!("cannot write {shown}"), &error))?;
            output::line(&format!("{shown} holds the key of its secrets: keep it apart from the backup"))?;
        }
        (Some(_), None) => output::line("the cluster has no secrets, so there is no key of them")?,
        (None, _) if runtime.block_on(client.secrets())?.secrets.is_empty() => {}
        (None, _) => {
            let message =
                "its secrets are sealed: `icefield backup --key-out KEY` also writes what they are opened with";
            output::line(message)?;
        }
    }
    Ok(0)
}

/// The key of the cluster's secrets, which travels sealed; `None` if it has none.
async fn key(client: &Client) -> Result<Option<RecoveryKey>, CommandError> {
    let own = ServerKey::generate();
    let answer = client.backup_key(&BackupKeyRequest { public: own.public().to_string() }).await?;
    let Some(sealed) = answer.sealed else { return Ok(None) };
    let key = RecoveryKey::answered(&own, &sealed);
    key.map(Some).map_err(|error| CommandError::because("the key of the secrets cannot be read", &error))
}

/// Nobody else may read it.
fn create(path: &PathBuf) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}
