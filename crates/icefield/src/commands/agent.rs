use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use icefield_agent::{
    Agent, AgentConfig, AgentError, DnsConfig, ExchangeConfig, LogLimits, Shutdown, Sources, SystemConfig,
    SystemdConfig, Timings,
};
use icefield_api::{Capacity, IdentityFolder, JoinError, Keyring};
use icefield_dns::{Forward, nameservers};
use icefield_pki::{Identity, JoinToken};
use icefield_spec::{Bytes, Cpu, Name, PortRange};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::args::ClusterArgs;
use crate::building::NixArguments;
use crate::command_error::CommandError;
use crate::connect;

/// Runs an agent: it runs replicas on a node
///
/// SIGTERM ends the agent and leaves its replicas running; the next agent with the same --data adopts them. SIGINT
/// stops the replicas first.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// The node's name, as the file declares it
    #[arg(long)]
    node: Name,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Join the cluster with this token (`icefield join-token create --node NAME`), or @FILE with it. Once it has joined, the
    /// agent goes on with the identity in its folder; with another token it joins anew
    #[arg(long, env = "ICEFIELD_JOIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    join: Option<String>,
    /// Where its own API listens, for the servers alone; a free port of --address if it is not given
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The folder for its state, its replicas' logs and work
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The address that replicas listen on and are reached by
    #[arg(long)]
    address: String,
    /// Where dynamic ports are taken from, instead of what the file declares
    #[arg(long, value_name = "FIRST-LAST")]
    ports: Option<PortRange>,
    /// The folder that `exec` programs are started in, instead of one for each replica
    #[arg(long, value_name = "DIR")]
    exec_dir: Option<PathBuf>,
    /// Bring this node to the NixOS system of its base, by this profile; without it, systems are left to others. A NixOS host
    /// has /nix/var/nix/profiles/system
    #[arg(long, value_name = "PROFILE")]
    system_profile: Option<PathBuf>,
    /// Where the links current-system and booted-system are
    #[arg(long, value_name = "DIR", default_value = "/run", requires = "system_profile")]
    system_run: PathBuf,
    /// The command that restarts this machine
    #[arg(long, value_name = "COMMAND", default_value = "systemctl reboot", requires = "system_profile")]
    reboot_command: String,
    /// The file that names the present start of this machine
    #[arg(long, hide = true, value_name = "FILE", default_value = "/proc/sys/kernel/random/boot_id")]
    boot_id: PathBuf,
    #[command(flatten)]
    nix: NixArguments,
    /// Fetch what Nix has built from this binary cache, before those that Nix itself is configured with; may be given several
    /// times
    #[arg(long, value_name = "URL")]
    substituter: Vec<String>,
    /// Trust what is signed with this key (NAME:BASE64), besides those that Nix itself is configured with; may be given several
    /// times
    #[arg(long, value_name = "KEY")]
    trusted_key: Vec<String>,
    /// Where other nodes of the cluster get closures from here; a free port of the address of --listen if it is not given
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "no_peers")]
    cache_listen: Option<SocketAddr>,
    /// Neither get closures from other nodes nor let them get any from here
    #[arg(long)]
    no_peers: bool,
    /// Run services that have units of their own under this systemd: those of NixOS modules, which are not run without it, and those
    /// of packages that Nix built. `user` is that of the user whom the agent runs as
    #[arg(long, env = "ICEFIELD_SYSTEMD", value_name = "MANAGER", value_enum)]
    systemd: Option<Manager>,
    /// Link units into this folder of the manager's, instead of that of its runtime units
    #[arg(long, value_name = "DIR", requires = "systemd")]
    unit_dir: Option<PathBuf>,
    /// Answer DNS for the names of services here: an address of this node or a loopback one, such as 127.0.0.1:53
    #[arg(long, value_name = "ADDRESS:PORT")]
    dns: Option<SocketAddr>,
    /// Ask this resolver what is not of the cluster, instead of those of /etc/resolv.conf; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT", requires = "dns")]
    dns_forward: Vec<SocketAddr>,
    /// End when the process that started this one ends
    #[arg(long, hide = true, value_name = "PID")]
    die_with_parent: Option<i32>,
}

/// Which systemd.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Manager {
    /// That of the machine
    System,
    /// That of the agent's user
    User,
}

pub(crate) fn run(arguments: AgentArgs) -> Result<u8, CommandError> {
    if let Some(parent) = arguments.die_with_parent {
        die_with_parent(parent)?;
    }
    log_to_stderr();
    if arguments.cluster.server.is_empty() {
        return Err(CommandError::new("no server is named").hint("--server URL names one; may be given several times"));
    }
    let runtime = connect::runtime()?;
    let keyring = runtime.block_on(identity(&arguments))?;
    let listen = match (arguments.listen, &keyring) {
        (Some(listen), _) => listen,
        (None, None) => (Ipv4Addr::LOCALHOST, 0).into(),
        (None, Some(_)) => resolve(&arguments.address)?,
    };
    // A cluster without certificates is of this machine alone.
    let secrets_on_disk = keyring.is_none();
    let sources = Sources {
        substituters: arguments.substituter.clone(),
        trusted_keys: arguments.trusted_key.clone(),
        asked_anew: false,
    };
    let system = system(&arguments, &sources);
    let cache_listen = arguments.cache_listen.unwrap_or_else(|| SocketAddr::new(listen.ip(), 0));
    if keyring.is_none() && !cache_listen.ip().is_loopback() {
        return Err(CommandError::new(format!("{cache_listen} is not of this machine alone, so it needs TLS"))
            .hint("a cluster without certificates is of one machine; --cache-listen takes a loopback address there"));
    }
    let authorities = connect::authorities();
    let exchange = (!arguments.no_peers).then_some(ExchangeConfig { listen: cache_listen, authorities });
    let systemd = systemd(&arguments)?;
    let config = AgentConfig {
        node: arguments.node,
        servers: arguments.cluster.server,
        keyring,
        data: arguments.data,
        address: arguments.address,
        listen,
        capacity: Capacity { cpu: processors(), memory: memory()?, ports: arguments.ports },
        exec_dir: arguments.exec_dir,
        nix: arguments.nix.config(),
        sources,
        exchange,
        base_env: base_environment(),
        shim_command: vec![crate::own_binary(), "shim".into()],
        secrets_on_disk,
        timings: Timings::default(),
        log: LogLimits::default(),
        system,
        systemd,
        dns: arguments.dns.map(|listen| DnsConfig { listen, forward: forward(arguments.dns_forward) }),
    };
    runtime.block_on(async {
        let fail = |error: AgentError| CommandError::because("the agent cannot go on", &error);
        let mut agent = Agent::start(config).await.map_err(fail)?;
        let how = tokio::select! {
            how = until_told_to_end() => how,
            error = agent.failed() => return Err(fail(error)),
        };
        agent.shut_down(how).await.map_err(fail)?;
        Ok(0)
    })
}

/// Which systemd runs services, if one does.
fn systemd(arguments: &AgentArgs) -> Result<Option<SystemdConfig>, CommandError> {
    let mut config = match arguments.systemd {
        None => return Ok(None),
        Some(Manager::System) => SystemdConfig::system(),
        Some(Manager::User) => {
            let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
            let missing = "a user's systemd is found by the variable XDG_RUNTIME_DIR, which is not set";
            SystemdConfig::user(
                folder.ok_or_else(|| CommandError::new(missing).hint("`--systemd system` uses the machine's"))?,
            )
        }
    };
    if let Some(folder) = &arguments.unit_dir {
        config.unit_dir = folder.clone();
    }
    Ok(Some(config))
}

/// How the node is brought to the system of its base, if it is.
fn system(arguments: &AgentArgs, sources: &Sources) -> Option<SystemConfig> {
    let profile = arguments.system_profile.clone()?;
    let mut environment = base_environment();
    environment.extend(std::env::vars().filter(|(name, _)| name.starts_with("NIX_") || name == "LOCALE_ARCHIVE"));
    // A switch may restart the agent, which must not be its end. What it writes goes into the file that `--pipe` passes on.
    let apart = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--unit=icefield-activation"];
    let is_apart = std::path::Path::new("/run/systemd/system").exists() && arguments.system_run == *"/run";
    Some(SystemConfig {
        profile,
        run: arguments.system_run.clone(),
        environment,
        sources: sources.clone(),
        switch: if is_apart { apart.map(str::to_owned).to_vec() } else { Vec::new() },
        reboot: arguments.reboot_command.split_whitespace().map(str::to_owned).collect(),
        boot_id: arguments.boot_id.clone(),
    })
}

/// What the agent proves itself with: what its folder has, else what joining gives; nothing where servers speak plain HTTP.
async fn identity(arguments: &AgentArgs) -> Result<Option<Keyring>, CommandError> {
    let servers = arguments.cluster.server.iter().map(|url| connect::checked(url)).collect::<Result<Vec<_>, _>>()?;
    if servers.iter().all(|url| url.starts_with("http://")) {
        return Ok(None);
    }
    let failed = |error: &dyn std::error::Error| CommandError::because("the agent has no identity", error);
    let folder = IdentityFolder::new(&arguments.data);
    let own = Identity::Node(arguments.node.clone());
    let token = match &arguments.join {
        Some(token) => Some(token_or_file(token)?.parse::<JoinToken>().map_err(|error| failed(&error))?),
        None => None,
    };
    let anew = token.as_ref().is_some_and(|token| !folder.is_of(token.id()));
    if let Some(held) = folder.load().map_err(|error| failed(&error))?
        && !anew
    {
        let found = held.credential.as_ref().map(|credential| credential.identity().clone());
        return match found {
            Some(found) if found == own => Ok(Some(Keyring::new(held))),
            found => {
                let found = found.map_or_else(|| "nobody".into(), |found| found.to_string());
                let message =
                    format!("the identity in {} is that of {found}, and this is {own}", arguments.data.display());
                Err(CommandError::new(message).hint("give each node a folder of its own"))
            }
        };
    }
    let Some(token) = token else {
        return Err(CommandError::new(format!("node {} has not joined yet", arguments.node)).hint(format!(
            "`icefield join-token create --node {}` makes a token, --join gives it to the agent",
            arguments.node
        )));
    };
    let held = icefield_api::join(&folder, &servers, &token, own).await.map_err(|error| match error {
        JoinError::Refused { source, .. } => CommandError::from(*source),
        other => failed(&other),
    })?;
    tracing::info!("this node has joined the cluster");
    Ok(Some(Keyring::new(held)))
}

/// A token, or what is in the file that is named after an @.
pub(crate) fn token_or_file(text: &str) -> Result<String, CommandError> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|error| CommandError::because(format!("cannot read {path}"), &error))?;
    Ok(text.trim().to_owned())
}

/// A free port of this machine's address.
fn resolve(address: &str) -> Result<SocketAddr, CommandError> {
    let found = (address, 0).to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        CommandError::new(format!("{address:?} is no address of this machine"))
            .hint("--listen ADDRESS:PORT says where to listen")
    })
}

/// Who is asked what is not of the cluster: whom the command names, else the machine's resolvers.
fn forward(named: Vec<SocketAddr>) -> Forward {
    let own = || nameservers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    Forward { resolvers: if named.is_empty() { own() } else { named } }
}

/// What this machine's processors are, in thousandths of a core.
fn processors() -> Cpu {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Cpu::from_millis(cores as u64 * 1000)
}

/// The memory of this machine.
fn memory() -> Result<Bytes, CommandError> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let kibibytes =
        kibibytes.ok_or_else(|| CommandError::new("/proc/meminfo does not say how much memory there is"))?;
    Ok(Bytes::new(kibibytes * 1024))
}

/// What every replica's environment begins with: enough to find programs and to write text.
fn base_environment() -> BTreeMap<String, String> {
    const PASSED_ON: [&str; 8] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "SHELL"];
    PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

/// Waits for SIGTERM (leave replicas running) or SIGINT (stop them).
pub(crate) async fn until_told_to_end() -> Shutdown {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => Shutdown::Leave,
        _ = interrupt.recv() => Shutdown::Stop,
    }
}

/// Makes this process end with its parent, so that nothing of a dev cluster is left when `dev` itself is killed.
pub(crate) fn die_with_parent(parent: i32) -> Result<(), CommandError> {
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| CommandError::new(error.to_string()))?;
    // The parent may have ended before the call above.
    if rustix::process::getppid().map(Pid::as_raw_nonzero).map(NonZero::get) != Some(parent) {
        return Err(CommandError::silent());
    }
    Ok(())
}

/// Writes what happens to standard error: `ICEFIELD_LOG` says how much (`info`, `debug`, `icefield_control=trace`).
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("ICEFIELD_LOG").unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
