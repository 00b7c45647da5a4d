use clap::{Args, Subcommand};
use icefield_api::{JoinRole, JoinTokenRequest};
use icefield_pki::{JoinToken, TokenId};
use icefield_spec::{Millis, Name};

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Makes, lists or revokes the tokens that machines join with
///
/// Each is good for one machine and a short time, and names the cluster's authority, so that a machine cannot be lured into another cluster.
#[derive(Debug, Args)]
pub(crate) struct JoinTokenArgs {
    #[command(subcommand)]
    command: JoinTokenCommand,
}

#[derive(Debug, Subcommand)]
enum JoinTokenCommand {
    /// Make a token and print it: for any new node, unless said otherwise
    Create {
        /// For a server
        #[arg(long, conflicts_with = "node")]
        as_server: bool,
        /// For the node of this name alone; it replaces a machine that has the name
        #[arg(long, value_name = "NAME")]
        node: Option<Name>,
        /// For how long it is good: seven days at most
        #[arg(long, value_name = "TIME", default_value = "1h")]
        valid: Millis,
    },
    /// List the tokens
    List {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Take a token back
    Revoke {
        /// Its id: the part after "icefield-join."
        id: TokenId,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &JoinTokenArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        match &arguments.command {
            JoinTokenCommand::Create { as_server, node, valid } => {
                let authority = client.trust().await?.signer;
                let token = JoinToken::generate(authority);
                let token = token.map_err(|error| CommandError::because("no token can be made", &error))?;
                let role = if *as_server { JoinRole::Server } else { JoinRole::Node };
                let (id, hash, name, valid) = (token.id(), token.hash(), node.clone(), *valid);
                client.create_join_token(&JoinTokenRequest { id, hash, role, name, valid }).await?;
                output::line(&token.reveal())?;
            }
            JoinTokenCommand::List { json } => {
                let tokens = client.join_tokens().await?;
                if json.json {
                    output::json(&tokens)?;
                } else {
                    output::print(&render::join_tokens(&tokens.tokens))?;
                }
            }
            JoinTokenCommand::Revoke { id } => {
                client.revoke_join_token(*id).await?;
                output::line(&format!("join token {id} is good no more"))?;
            }
        }
        Ok(0)
    })
}
