use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use icefield_api::{SecretRequest, SecretValue};
use icefield_spec::Name;

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Sets, lists or removes secrets: values that a file names and does not hold
///
/// `secret("NAME")` in a file is the value. Nobody reads it back: it goes to the nodes that run a service which names it.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Give a secret a value: what comes in on standard input, without the line end after it, or what is in a file
    ///
    /// Services that use it take another value up as their update policy says, and go back if that fails.
    Set {
        /// Its name
        name: Name,
        /// The namespace whose services may use it; without one, those of no namespace
        #[arg(long, value_name = "NAME")]
        namespace: Option<Name>,
        /// The file with the value, which is taken byte by byte
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// List the secrets, and who uses them
    List {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove a secret that no service uses
    Rm {
        /// Its name
        name: Name,
        /// Its namespace
        #[arg(long, value_name = "NAME")]
        namespace: Option<Name>,
        /// Also if services use it: what runs goes on, and cannot be started again
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &SecretArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        match &arguments.command {
            SecretCommand::Set { name, namespace, file } => {
                let value = value(file.as_ref())?;
                let request = SecretRequest { name: name.clone(), namespace: namespace.clone(), value };
                let answer = client.set_secret(&request).await?;
                let version = answer.version;
                let of = |what: &str, names: &[Name]| match names {
                    [] => String::new(),
                    names => format!("; {what} {}", names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")),
                };
                output::line(&match answer.changed {
                    false => format!("{name} has this value already (version {version})"),
                    true => format!(
                        "{name} is set (version {version}){}{}",
                        of("taken up by", &answer.services),
                        of("not before the next apply by", &answer.kept)
                    ),
                })?;
            }
            SecretCommand::List { json } => {
                let list = client.secrets().await?;
                if json.json {
                    output::json(&list)?;
                } else {
                    output::print(&render::secrets(&list.secrets))?;
                }
            }
            SecretCommand::Rm { name, namespace, force } => {
                client.remove_secret(name, namespace.as_ref(), *force).await?;
                output::line(&format!("{name} is gone"))?;
            }
        }
        Ok(0)
    })
}

/// The value to set.
fn value(file: Option<&PathBuf>) -> Result<SecretValue, CommandError> {
    let mut bytes = match file {
        Some(path) => std::fs::read(path)
            .map_err(|error| CommandError::because(format!("cannot read {}", path.display()), &error))?,
        None if std::io::stdin().is_terminal() => {
            return Err(CommandError::new("the value is not typed where others may see it").hint(
                "write it into the command, like `pass show db | icefield secret set NAME`, or give --file FILE",
            ));
        }
        None => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(SecretValue::LARGEST as u64 + 2).read_to_end(&mut bytes)?;
            bytes
        }
    };
    if file.is_none() && bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let value = SecretValue::from(bytes);
    match value.reveal().len() {
        0 => Err(CommandError::new("the value is empty")),
        length if length > SecretValue::LARGEST => {
            Err(CommandError::new(format!("the value is larger than {} KiB", SecretValue::LARGEST >> 10)))
        }
        _ => Ok(value),
    }
}
