use std::io::Read;

use clap::Args;
use icefield_api::Client;

use crate::command_error::CommandError;
use crate::login_file::LoginFile;
use crate::{connect, output};

/// Keeps a token for a cluster, so that other commands find it
///
/// The token is read from standard input if it is given neither by --token nor in ICEFIELD_TOKEN. It is kept, with the servers' URLs and the cluster's certificates, in cluster.json in $ICEFIELD_HOME or ~/.config/icefield, which only you can read.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The URL of any server; several may be given, separated by commas
    #[arg(required = true, value_delimiter = ',', value_name = "URL")]
    urls: Vec<String>,
    /// The token. Others on this machine may see it there; better let it be read from standard input
    #[arg(long, env = "ICEFIELD_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

pub(crate) fn run(arguments: &LoginArgs) -> Result<u8, CommandError> {
    let urls = arguments.urls.iter().map(|url| connect::checked(url)).collect::<Result<Vec<_>, _>>()?;
    if !urls.iter().all(|url| url.starts_with("https://")) {
        return Err(
            CommandError::new("a cluster that speaks plain HTTP needs no login").hint("use --server with its URL")
        );
    }
    let text = match &arguments.token {
        Some(token) => token.clone(),
        None => {
            let mut text = String::new();
            std::io::stdin().lock().take(4_096).read_to_string(&mut text)?;
            text
        }
    };
    let token = connect::read_token(&text)?;
    let client: Client = connect::pinned(urls.clone(), &token);
    let (trust, servers) = connect::runtime()?.block_on(async {
        let trust = client.trust().await?;
        // Whether the token is good shows only here.
        Ok::<_, CommandError>((trust, client.members().await?))
    })?;
    if !trust.bundle.contains(token.authority()) {
        return Err(CommandError::new(
            "the bundle that the cluster gave does not hold the authority that the token names",
        ));
    }
    // Those that are known to be reached from here come first.
    let others = servers.servers.into_iter().map(|server| server.api).filter(|known| !urls.contains(known));
    let all: Vec<String> = urls.iter().cloned().chain(others).collect();
    let count = all.len();
    LoginFile::new(all, trust.bundle, token.reveal()).save()?;
    let servers = crate::render::count(count as u64, "server");
    output::line(&format!("logged in; {} holds the token and the URLs of {servers}", LoginFile::path()?.display()))?;
    Ok(0)
}
