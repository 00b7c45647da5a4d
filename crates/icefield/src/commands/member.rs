use clap::{Args, Subcommand};
use icefield_api::Servers;

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Lists the servers of the cluster, or removes one
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    #[command(subcommand)]
    command: MemberCommand,
}

#[derive(Debug, Subcommand)]
enum MemberCommand {
    /// List the servers, who leads, and whether each answers
    List {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove a server; those that are left must be enough to decide without it
    Remove {
        /// The server
        name: String,
        /// Remove it though too few of those that are left answer
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &MemberArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    let runtime = connect::runtime()?;
    match &arguments.command {
        MemberCommand::List { json } => show(&runtime.block_on(client.members())?, *json),
        MemberCommand::Remove { name, force, json } => {
            show(&runtime.block_on(client.remove_server(name, *force))?, *json)
        }
    }
}

fn show(servers: &Servers, json: JsonArgs) -> Result<u8, CommandError> {
    if json.json {
        output::json(servers)?;
    } else {
        output::print(&render::servers(&servers.servers))?;
    }
    Ok(0)
}
