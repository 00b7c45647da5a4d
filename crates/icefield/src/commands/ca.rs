use clap::{Args, Subcommand};
use icefield_api::RotateRequest;
use icefield_spec::Millis;

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Shows the cluster's certificate authority, or changes it for a new one
#[derive(Debug, Args)]
pub(crate) struct CaArgs {
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Show the authorities, and how far a rotation is
    Status {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change the authority while everything runs
    ///
    /// The new one is first made known to every machine, then it issues each one a new certificate, then the old one is
    /// trusted no more. It goes on by itself; `icefield ca status` shows whom it waits for.
    Rotate {
        /// How long the new authority is made known at least: people who are logged in hear of it with the first command in
        /// that time; who uses none must log in again
        #[arg(long, value_name = "TIME", default_value = "1h", conflicts_with = "finish")]
        spread: Millis,
        /// Go on without those that the rotation waits for: they are locked out, and must join again
        #[arg(long)]
        finish: bool,
        /// With --finish: do it though that locks machines out
        #[arg(long, requires = "finish")]
        yes: bool,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &CaArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        let status = match &arguments.command {
            CaCommand::Status { json } => {
                let status = client.ca().await?;
                if json.json {
                    output::json(&status)?;
                    return Ok(0);
                }
                status
            }
            CaCommand::Rotate { spread, finish, yes } => {
                let locked_out = if *finish && !yes { client.ca().await?.waits_for } else { Vec::new() };
                if !locked_out.is_empty() {
                    let names = locked_out.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    return Err(CommandError::new(format!("this would lock out {names}"))
                        .hint("start them, and the rotation goes on by itself; --yes goes on without them, and they must join again"));
                }
                client.rotate_ca(&RotateRequest { finish: *finish, spread: *spread }).await?
            }
        };
        output::print(&render::authorities(&status))?;
        Ok(0)
    })
}
