use std::path::PathBuf;

use clap::{Args, Subcommand};
use icefield_api::write_secret;
use icefield_cache::SecretKey;

use super::source::secret_key;
use crate::command_error::CommandError;
use crate::output;

/// Makes the keys that paths are signed with
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key: the secret half goes into a file that only you can read, the public one is printed
    Generate {
        /// Its name, such as cache.example.org-1; give each new key another one
        name: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public half of a key, as `trusted-public-keys` in nix.conf takes it
    Public {
        /// The file with the secret half
        file: PathBuf,
    },
}

pub(super) fn run(arguments: &KeyArgs) -> Result<u8, CommandError> {
    let key = match &arguments.command {
        KeyCommand::Generate { name, out } => {
            if out.exists() {
                return Err(CommandError::new(format!("{} is there already", out.display()))
                    .hint("move it away, or choose another file: whoever trusts it would trust the new one no more"));
            }
            let key = SecretKey::generate(name).map_err(|error| CommandError::new(error.to_string()))?;
            write_secret(out, format!("{}\n", key.reveal()).as_bytes())
                .map_err(|error| CommandError::because(format!("cannot write {}", out.display()), &error))?;
            key
        }
        KeyCommand::Public { file } => secret_key(file)?,
    };
    output::line(&key.public().to_string())?;
    Ok(0)
}
