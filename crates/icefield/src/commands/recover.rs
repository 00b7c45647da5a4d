use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use icefield_control::raft::{self, Disk, FolderDisk};

use crate::command_error::CommandError;
use crate::output;

/// What it risks, as it is shown before and without --yes.
const RISK: &str = "\
This makes a new cluster of this server alone, from what it knows.

  - What the lost servers had agreed on and this one had not heard of is gone: the last changes before the loss, maybe.
  - What this one had heard of and most had not agreed on comes into force.
  - If the others run after all, there are two clusters, and agents hear both. Be sure that they never start again.

If another of the old servers is left, take the one that knows most (`icefield recover` without --yes shows how much).
Once it runs, join others to it.";

/// Makes a cluster of one server whose others are gone for good
///
/// The way out when most servers are lost at once, and only then. The server must be stopped. Its files are kept beside the folder as they were.
#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// The server's folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where it will listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Do it
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(arguments: &RecoverArgs) -> Result<u8, CommandError> {
    let RecoverArgs { data, listen, yes } = arguments;
    let failed =
        |error: &dyn std::error::Error| CommandError::because(format!("cannot recover {}", data.display()), error);
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::open(data.clone()).map_err(|error| failed(&error))?);
    if !yes {
        let known = raft::known(&disk).map_err(|error| failed(&error))?;
        output::line(RISK)?;
        output::line("")?;
        output::line(&format!(
            "{} is that of server {}, which knows the state as of version {}.",
            data.display(),
            known.server,
            known.version
        ))?;
        return Err(CommandError::new("nothing has been done").hint("--yes does it"));
    }
    let aside = free_name(data);
    let kept = FolderDisk::open(aside.clone()).map_err(|error| failed(&error))?;
    let api = format!("https://{listen}");
    let recovered = raft::recover(&disk, &api, raft::new_group(), &kept).map_err(|error| failed(&error))?;
    output::line(&format!(
        "{} is a cluster of one server now, with the state as of version {}{}",
        data.display(),
        recovered.version,
        match recovered.unconfirmed {
            0 => String::new(),
            count => format!("; {count} entries of its log were not known to be agreed on and are in force now"),
        }
    ))?;
    output::line(&format!("its files as they were are in {}", aside.display()))?;
    Ok(0)
}

/// A name beside the folder that is not taken.
fn free_name(data: &std::path::Path) -> PathBuf {
    let name = |number: u32| data.with_extension(format!("before-recovery-{number}"));
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| data.with_extension("before-recovery"))
}
