use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use icefield_spec::Millis;

use crate::args::SourceArgs;
use crate::building::BuildArguments;
use crate::command_error::CommandError;
use crate::dev::{self, DevSecrets, Options, Registry};
use crate::source::Source;

/// Runs a whole cluster on this machine
///
/// Starts servers, an agent for each declared node, and what FILE declares. FILE is applied again whenever it changes. Ctrl-C ends everything. In a second terminal `icefield status`, `plan`,
/// `apply`, `explain`, `logs` and `events` find the cluster by themselves.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    build: BuildArguments,
    /// Keep the cluster's state in this folder; the next start with it goes on from there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Return once everything is healthy; the cluster goes on in the background
    #[arg(long)]
    detach: bool,
    /// With --detach: how long everything may take to become healthy
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: Millis,
    /// End the cluster that runs in the background (the one with --data, where that is given)
    #[arg(long, conflicts_with = "detach")]
    stop: bool,
    /// Start agents for only so many of the declared nodes, some of every kind
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// The value of a secret that FILE names, which another program on this machine may see: NAME=VALUE, or NAMESPACE/NAME=VALUE. One
    /// that nobody sets gets a random value
    #[arg(long, value_name = "NAME=VALUE")]
    secret: Vec<String>,
    /// How many servers to run: one or three
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = servers)]
    servers: u8,
    /// This is the background process of --detach
    #[arg(long, hide = true)]
    background: bool,
    /// The data folder goes when the cluster ends
    #[arg(long, hide = true)]
    temporary: bool,
    #[command(subcommand)]
    command: Option<DevCommand>,
}

#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Pull a node's plug: its agent and its replicas die at once
    KillNode(NodeOfDev),
    /// Give a node its power back
    StartNode(NodeOfDev),
}

/// A node of a dev cluster.
#[derive(Debug, Args)]
struct NodeOfDev {
    /// The node
    name: String,
    /// The cluster's data folder, where several clusters run
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) fn run(arguments: DevArgs) -> Result<u8, CommandError> {
    match &arguments.command {
        Some(DevCommand::KillNode(node)) => return dev::pull_plug(&node.name, node.data.as_deref()),
        Some(DevCommand::StartNode(node)) => return dev::plug_in(&node.name, node.data.as_deref()),
        None => {}
    }
    if arguments.stop {
        return dev::stop(arguments.data);
    }
    if arguments.background {
        // Out of the terminal's session, so that closing the terminal does not end the cluster.
        rustix::process::setsid().map_err(|error| CommandError::because("cannot leave the terminal", &error))?;
    }
    let source = Source::find(&arguments.source)?;
    let temporary = arguments.temporary || arguments.data.is_none();
    let data = match &arguments.data {
        Some(data) => data.clone(),
        None => Registry::open()?.temporary_data(),
    };
    let options = Options {
        source,
        data,
        temporary,
        sample: arguments.sample,
        build: arguments.build.clone(),
        servers: arguments.servers,
        secrets: DevSecrets::parse(&arguments.secret)?,
    };
    if arguments.detach {
        let background = background(&arguments, &options);
        return dev::detach(&options, &background, arguments.timeout.duration());
    }
    dev::run(&options)
}

/// The arguments of the background process.
fn background(arguments: &DevArgs, options: &Options) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec![options.source.path().into(), "--data".into(), options.data.clone().into()];
    all.extend(["--servers".into(), options.servers.to_string().into()]);
    if options.temporary {
        all.push("--temporary".into());
    }
    if let Some(sample) = options.sample {
        all.extend(["--sample".into(), sample.to_string().into()]);
    }
    all.extend(arguments.build.arguments());
    for define in &arguments.source.define {
        all.extend(["-D".into(), define.into()]);
    }
    for secret in &arguments.secret {
        all.extend(["--secret".into(), secret.into()]);
    }
    all
}

fn servers(text: &str) -> Result<u8, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("one or three".into()),
    }
}
