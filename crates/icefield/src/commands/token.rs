use clap::{Args, Subcommand};
use icefield_api::{Client, Role, TokenProof, UserTokenRequest, UserTokenRotation};
use icefield_pki::UserToken;
use icefield_spec::{Millis, Name};

use crate::args::{ClusterArgs, JsonArgs};
use crate::command_error::CommandError;
use crate::{connect, output, render};

/// Makes, lists, rotates or revokes the tokens of people and programs
///
/// A token is shown once, when it is made, and its secret never leaves this machine: the cluster gets what verifies it.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it
    Create {
        /// Whose it is: the name that stands in the audit log
        name: Name,
        /// What it lets its bearer do: viewer, deployer or admin
        #[arg(long)]
        role: Role,
        /// Let a deployer change services of this namespace alone; may be given several times
        #[arg(long, value_name = "NAME")]
        namespace: Vec<Name>,
        /// For how long it is good; until it is revoked if not given
        #[arg(long, value_name = "TIME")]
        valid: Option<Millis>,
    },
    /// List who has a token
    List {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Take someone's tokens away
    Revoke {
        /// Whose
        name: Name,
    },
    /// Give someone another token and print it; the one before stays good for a while
    Rotate {
        /// Whose
        name: Name,
        /// For how long the one before stays good
        #[arg(long, value_name = "TIME", default_value = "1h")]
        overlap: Millis,
    },
}

pub(crate) fn run(cluster: &ClusterArgs, arguments: &TokenArgs) -> Result<u8, CommandError> {
    let client = connect::require(cluster)?;
    connect::runtime()?.block_on(async {
        match &arguments.command {
            TokenCommand::Create { name, role, namespace, valid } => {
                let (token, proof) = new_token(&client).await?;
                let request = UserTokenRequest {
                    name: name.clone(),
                    token: proof,
                    role: *role,
                    namespaces: namespace.iter().cloned().collect(),
                    valid: *valid,
                };
                client.create_token(&request).await?;
                output::line(&token.reveal())?;
            }
            TokenCommand::Rotate { name, overlap } => {
                let (token, proof) = new_token(&client).await?;
                client.rotate_token(name, &UserTokenRotation { token: proof, overlap: *overlap }).await?;
                output::line(&token.reveal())?;
            }
            TokenCommand::List { json } => {
                let tokens = client.tokens().await?;
                if json.json {
                    output::json(&tokens)?;
                } else {
                    output::print(&render::user_tokens(&tokens.tokens))?;
                }
            }
            TokenCommand::Revoke { name } => {
                client.revoke_token(name).await?;
                output::line(&format!("{name} has no token any more"))?;
            }
        }
        Ok(0)
    })
}

/// A token for the authority that issues certificates now, and what verifies it.
async fn new_token(client: &Client) -> Result<(UserToken, TokenProof), CommandError> {
    let authority = client.trust().await?.signer;
    let token =
        UserToken::generate(authority).map_err(|error| CommandError::because("no token can be made", &error))?;
    let proof = TokenProof { id: token.id(), hash: token.hash(), authority };
    Ok((token, proof))
}
