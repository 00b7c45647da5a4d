use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use icefield_api::{HttpOptions, IdentityFolder, Keyring};
use icefield_cache::{
    Cache, CacheInfo, Fetcher, Limits, Peer, Peers, PublicKey, Security, Server, Source, Tokens, certificate_config,
};
use icefield_pki::Expect;
use icefield_spec::{Bytes, Name};

use super::source::{StoreArgs, http, open, public_key, read, secret_key, shared, store_dir};
use crate::command_error::CommandError;
use crate::commands::agent::{die_with_parent, log_to_stderr, until_told_to_end};
use crate::connect;
use crate::open_files::allow_many_files;
use crate::output;

/// Serves a Nix binary cache: a folder, this machine's store, and what others have
///
/// Without --dir and --from-store it serves the store. On another address than a loopback one it speaks TLS, with an --identity of a cluster or a --certificate.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7790")]
    listen: SocketAddr,
    /// The folder to serve, in the layout of `nix copy --to file://DIR`; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Serve what is in the Nix store
    #[arg(long)]
    from_store: bool,
    #[command(flatten)]
    store: StoreArgs,
    /// Sign what is served with the secret key in this file; may be given several times
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Let those upload who have one of the tokens in this file, a token a line
    #[arg(long, value_name = "FILE", requires = "dir")]
    tokens: Option<PathBuf>,
    /// Take only what this public key (NAME:BASE64) has signed, from clients and from other caches; may be given several times
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    trusted_key: Vec<PublicKey>,
    /// Get what is not here from this cache, and keep it; the first one that has it is taken. May be given several times
    #[arg(long, value_name = "URL", requires = "dir", requires = "trusted_key")]
    upstream: Vec<String>,
    /// Another node that serves what it has, to get paths from before any --upstream; may be given several times
    #[arg(long, value_name = "NAME=URL[@ZONE]", requires = "name", value_parser = peer)]
    peer: Vec<(Name, String, String)>,
    /// The name that the peers know this one by
    #[arg(long)]
    name: Option<Name>,
    /// Where this one is: nodes of one zone get paths from each other, and one of them from elsewhere
    #[arg(long, default_value = "")]
    zone: String,
    /// Which cache clients ask first: the one with the smaller number; the public one has 40
    #[arg(long, value_name = "NUMBER")]
    priority: Option<u32>,
    /// The largest NAR that is taken
    #[arg(long, value_name = "SIZE", default_value = "16GiB")]
    max_nar_size: Bytes,
    /// Speak TLS as the server or the node of a cluster whose identity is in this folder, and with the --peer nodes of it
    #[arg(long, value_name = "DIR", conflicts_with = "certificate")]
    identity: Option<PathBuf>,
    /// Speak TLS with the certificates in this PEM file
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// The key to --certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
    /// End when the process that started this one ends
    #[arg(long, hide = true, value_name = "PID")]
    die_with_parent: Option<i32>,
}

pub(super) fn run(arguments: ServeArgs) -> Result<u8, CommandError> {
    if let Some(parent) = arguments.die_with_parent {
        die_with_parent(parent)?;
    }
    log_to_stderr();
    allow_many_files();
    let keyring = arguments.identity.as_ref().map(keyring).transpose()?;
    let security = security(&arguments, keyring.clone())?;
    let address = arguments.listen;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let scheme = if matches!(security, Security::Plain) { "http" } else { "https" };
        let (cache, _alone) = cache(arguments, keyring.as_ref())?;
        let server = Server::bind(address, cache).await.map_err(|error| {
            CommandError::because(format!("cannot listen on {address}"), &error)
                .hint("--listen ADDRESS:PORT names another one")
        })?;
        output::line(&format!("serving on {scheme}://{}", server.address()))?;
        server
            .run_until(security, async {
                until_told_to_end().await;
            })
            .await;
        Ok(0)
    })
}

/// What is to be served, and the lock on the folder that uploads go to.
fn cache(arguments: ServeArgs, keyring: Option<&Keyring>) -> Result<(Cache, Option<std::fs::File>), CommandError> {
    let from_store = arguments.from_store || arguments.dir.is_none();
    let store = if from_store { Some(shared(&arguments.store)?) } else { None };
    // A folder that is there says itself of which store it is.
    let wanted = match &arguments.dir {
        Some(dir) if !from_store && dir.join("nix-cache-info").exists() => None,
        _ => Some(store_dir()?),
    };
    let folder = arguments.dir.as_deref().map(|dir| open(dir, wanted.as_ref())).transpose()?.map(Arc::new);
    let mut info = folder.as_ref().map_or_else(CacheInfo::default, |folder| folder.info().clone());
    if let Some(store) = &store {
        info.store_dir = store.dir().clone();
    }
    info.want_mass_query = true;
    info.priority = arguments.priority.unwrap_or(CacheInfo::default().priority);
    let takes = arguments.tokens.is_some() || !arguments.upstream.is_empty() || !arguments.peer.is_empty();
    let alone = match &folder {
        Some(folder) if takes => Some(folder.sweep().map_err(|error| {
            CommandError::because("the folder cannot take uploads", &error)
                .hint("a folder is written to by one `icefield cache serve` at a time")
        })?),
        _ => None,
    };
    let fetcher = match &folder {
        Some(folder) if !arguments.upstream.is_empty() || !arguments.peer.is_empty() => {
            let upstreams = arguments.upstream.iter().map(|url| Ok(Source::new(connect::checked(url)?, http(url)?)));
            let upstreams = upstreams.collect::<Result<_, CommandError>>()?;
            let peers = peers(&arguments, keyring)?;
            Some(Fetcher::new(Arc::clone(folder), peers, upstreams, arguments.trusted_key.clone()))
        }
        _ => None,
    };
    let tokens = arguments.tokens.as_deref().map(read).transpose()?.map(|text| Tokens::read(&text));
    if tokens.as_ref().is_some_and(Tokens::is_empty) {
        return Err(CommandError::new("there is no token in the file of --tokens").hint("write one a line"));
    }
    let keys = arguments.key.iter().map(|path| secret_key(path)).collect::<Result<_, _>>()?;
    let limits = Limits { largest_nar: arguments.max_nar_size.get(), ..Limits::default() };
    let (trusted, tokens) = (arguments.trusted_key, tokens.unwrap_or_default());
    Ok((Cache { info, folder, store, fetcher, closures: None, keys, trusted, tokens, limits }, alone))
}

fn peers(arguments: &ServeArgs, keyring: Option<&Keyring>) -> Result<Option<Peers>, CommandError> {
    let Some(own) = arguments.name.as_ref().filter(|_| !arguments.peer.is_empty()) else { return Ok(None) };
    let peer = |(name, url, zone): &(Name, String, String)| {
        Ok(Peer { name: name.to_string(), zone: zone.clone(), url: connect::checked(url)? })
    };
    let peers: Vec<Peer> = arguments.peer.iter().map(peer).collect::<Result<_, CommandError>>()?;
    // All that are not known by an identity are reached alike.
    let first = peers.iter().find(|peer| keyring.is_none() && peer.url.starts_with("https://"));
    let alike = http(first.map_or("http://", |peer| &peer.url))?;
    let keyring = keyring.cloned();
    let reach = move |peer: &Peer| match (&keyring, Name::new(&peer.name)) {
        (Some(keyring), Ok(name)) if peer.url.starts_with("https://") => {
            keyring.http(HttpOptions::default(), Expect::Node(name))
        }
        _ => alike.clone(),
    };
    Ok(Some(Peers::new(own.as_str(), &arguments.zone, peers, reach)))
}

fn keyring(folder: &PathBuf) -> Result<Keyring, CommandError> {
    let held = IdentityFolder::new(folder).load();
    let held = held.map_err(|error| CommandError::because("the identity cannot be used", &error))?;
    let held = held.ok_or_else(|| CommandError::new(format!("there is no identity in {}", folder.display())))?;
    Ok(Keyring::new(held))
}

fn security(arguments: &ServeArgs, keyring: Option<Keyring>) -> Result<Security, CommandError> {
    if let (Some(chain), Some(key)) = (&arguments.certificate, &arguments.certificate_key) {
        let config = certificate_config(&read(chain)?, &read(key)?)
            .map_err(|error| CommandError::because(format!("{} cannot be used", chain.display()), &error))?;
        return Ok(Security::Certificate(config));
    }
    match keyring {
        Some(keyring) => Ok(Security::Keyring(keyring)),
        None if arguments.listen.ip().is_loopback() => Ok(Security::Plain),
        None => Err(CommandError::new(format!("{} is not of this machine alone, so it needs TLS", arguments.listen))
            .hint("--certificate FILE --certificate-key FILE, or --identity DIR of a cluster's node")),
    }
}

fn peer(text: &str) -> Result<(Name, String, String), String> {
    let wrong = || "write it like n2=http://10.0.0.2:7790@zone-a; the zone may be left out".to_owned();
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (url, zone) = rest.rsplit_once('@').unwrap_or((rest, ""));
    let name = Name::new(name).map_err(|error| error.to_string())?;
    Ok((name, url.to_owned(), zone.to_owned()))
}
