use std::path::PathBuf;

use clap::Args;
use icefield_cache::PublicKey;

use super::source::{existing, public_key};
use crate::args::JsonArgs;
use crate::command_error::CommandError;
use crate::output;
use crate::render::{count, size};

/// Reads all of a cache's folder and says what is damaged; exit code 1 if anything is
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The folder
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// See also that each path is signed by this public key (NAME:BASE64), or another one that is given
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    trusted_key: Vec<PublicKey>,
    /// Move what is damaged to .quarantine in the folder, so that it can be pushed again
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    json: JsonArgs,
}

pub(super) fn run(arguments: &VerifyArgs) -> Result<u8, CommandError> {
    let folder = existing(&arguments.dir)?;
    let verification = folder
        .verify(&arguments.trusted_key, arguments.repair)
        .map_err(|error| CommandError::because(format!("{} cannot be read", arguments.dir.display()), &error))?;
    let bad = verification.bad.len();
    if arguments.json.json {
        output::json(&verification)?;
    } else {
        for one in &verification.bad {
            let moved = if one.quarantined { " (moved to .quarantine)" } else { "" };
            output::line(&format!("{}: {}{moved}", one.file, one.problem))?;
        }
        let paths = count(verification.paths as u64, "path");
        let (size, mistakes) = (size(verification.bytes), count(bad as u64, "mistake"));
        output::line(&format!("{paths} ({size}) looked at, {mistakes}"))?;
    }
    Ok(u8::from(bad > 0))
}
