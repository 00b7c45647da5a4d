use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use icefield_control::reconcile::Config;
use icefield_control::{Begin, Security, Server, ServerConfig, Timings};

use crate::command_error::CommandError;
use crate::commands::agent::{die_with_parent, log_to_stderr, token_or_file, until_told_to_end};
use crate::open_files::allow_many_files;
use crate::output;

/// Runs a server: it holds the cluster's state and decides
///
/// One to seven of them do so together; any one of three, or two of five, may be lost. The first one is started with --new-cluster, the others with --join. From then on each goes on where it was, and needs neither.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's own name; no two servers of a cluster may share one
    #[arg(long)]
    name: String,
    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The URL that others reach this server by, if it is not https://ADDRESS:PORT
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,
    /// Form a new cluster, if the folder is empty
    #[arg(long, conflicts_with_all = ["join", "peer"])]
    new_cluster: bool,
    /// Join the cluster of this server, if the folder is empty; may be given several times
    #[arg(long, value_name = "URL", value_delimiter = ',', conflicts_with = "peer")]
    join: Vec<String>,
    /// The join token (`icefield join-token create --as-server`), or @FILE with it
    #[arg(long, env = "ICEFIELD_JOIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The server whose place this one takes: a dead one, or one to be retired
    #[arg(long, value_name = "NAME", requires = "join")]
    replace: Option<String>,
    /// Every server that forms the cluster, itself among them, if all are started at once
    #[arg(long, hide = true, value_name = "NAME=URL", value_parser = peer)]
    peer: Vec<(String, String)>,
    /// Speak plain HTTP, and let everyone on this machine do everything
    #[arg(long, hide = true, conflicts_with = "advertise")]
    plain: bool,
    /// The folder for its state; no two servers may share one
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// End when the process that started this one ends
    #[arg(long, hide = true, value_name = "PID")]
    die_with_parent: Option<i32>,
}

pub(crate) fn run(arguments: ServerArgs) -> Result<u8, CommandError> {
    if let Some(parent) = arguments.die_with_parent {
        die_with_parent(parent)?;
    }
    log_to_stderr();
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    let begin = match (arguments.new_cluster, arguments.join, arguments.peer) {
        (true, _, _) => Begin::Form(Vec::new()),
        (false, servers, _) if !servers.is_empty() => Begin::Join { servers, replaces: arguments.replace },
        (false, _, peers) if !peers.is_empty() => Begin::Form(peers),
        (false, _, _) => Begin::Resume,
    };
    let security = match arguments.plain {
        true => Security::Plain,
        false => Security::Tls {
            token: arguments.token.as_deref().map(token_or_file).transpose()?,
            advertise: arguments.advertise,
        },
    };
    let config = ServerConfig {
        name: arguments.name,
        listen: arguments.listen,
        security,
        begin,
        data: arguments.data,
        timings: Timings::default(),
        cluster: Config::default(),
    };
    runtime.block_on(async {
        let server =
            Server::start(config).await.map_err(|error| CommandError::because("the server cannot start", &error))?;
        if let Some(path) = server.admin_token() {
            output::line(&format!(
                "the cluster has a certificate authority now; the token of its first admin is in {}\n\
                 log in with it: icefield login https://{} < {}",
                path.display(),
                server.address(),
                path.display()
            ))?;
        }
        server
            .run_until(async {
                until_told_to_end().await;
            })
            .await
            .map_err(|error| CommandError::because("the server has ended", &error))?;
        Ok(0)
    })
}

fn peer(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && url.starts_with("http://") => Ok((name.into(), url.into())),
        _ => Err("write it like s1=http://127.0.0.1:7700".into()),
    }
}

/// How many threads answer requests and speak with the other servers; what takes long has threads of its own.
///
/// On few cores a second one costs more in waking each other than it gains.
fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, 2)
}
