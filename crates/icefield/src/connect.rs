use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icefield_api::{Client, Http, HttpOptions, Stale};
use icefield_pki::{UserToken, joining_config};

use crate::args::{ClusterArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::login_file::LoginFile;
use crate::{dev, output, render};

/// No wait: the answer as things stand.
pub(crate) const NOW: Duration = Duration::ZERO;

/// A client of the cluster that the options name; else of the running dev cluster; else of the one that this user is logged in
/// to; `None` if there is none of them.
pub(crate) fn find(cluster: &ClusterArgs) -> Result<Option<Client>, CommandError> {
    if !cluster.server.is_empty() {
        return named(&cluster.server).map(Some);
    }
    if let Some(running) = dev::Registry::open()?.only_running()? {
        return Ok(Some(Client::new(running.urls())));
    }
    Ok(LoginFile::load()?.map(LoginFile::client))
}

/// The same where the command cannot do without.
pub(crate) fn require(cluster: &ClusterArgs) -> Result<Client, CommandError> {
    find(cluster)?.ok_or_else(|| {
        CommandError::new("no cluster is running here, and you are logged in to none")
            .hint("`icefield dev FILE` starts one here; `icefield login URL` is for one elsewhere, or --server URL with ICEFIELD_TOKEN")
    })
}

/// Says on standard error that an answer may be out of date, if it may.
pub(crate) fn tell_stale(stale: Option<&Stale>) {
    if let Some(stale) = stale {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        output::complain(&render::stale(stale, now));
    }
}

/// The same for a command that reads.
pub(crate) fn require_to_read(cluster: &ClusterArgs, stale: StaleArgs) -> Result<Client, CommandError> {
    Ok(require(cluster)?.stale(stale.stale))
}

/// A client of the servers with these URLs: plain HTTP for a cluster of this machine, else with the token in `ICEFIELD_TOKEN`
/// or the one of the login.
fn named(urls: &[String]) -> Result<Client, CommandError> {
    let urls = urls.iter().map(|url| checked(url)).collect::<Result<Vec<_>, _>>()?;
    let secure = urls.iter().filter(|url| url.starts_with("https://")).count();
    if secure == 0 {
        return Ok(Client::new(urls));
    }
    if secure < urls.len() {
        return Err(CommandError::new("some of the servers are named with https:// and some with http://")
            .hint("a cluster has one or the other"));
    }
    if let Ok(token) = std::env::var("ICEFIELD_TOKEN")
        && !token.is_empty()
    {
        return Ok(pinned(urls, &read_token(&token)?));
    }
    match LoginFile::load()? {
        Some(login) if login.servers.iter().any(|known| urls.contains(known)) => Ok(login.client_of(urls)),
        _ => Err(CommandError::new("there is no token for this cluster")
            .hint("log in (icefield login URL), or set ICEFIELD_TOKEN")),
    }
}

/// A client that trusts the authority that the token names, and no other.
pub(crate) fn pinned(urls: Vec<String>, token: &UserToken) -> Client {
    let http = Http::new(HttpOptions::default(), Some(joining_config(token.authority())));
    Client::over(http, urls).bearing(&token.reveal())
}

/// Reads a person's token.
pub(crate) fn read_token(text: &str) -> Result<UserToken, CommandError> {
    text.parse().map_err(|error: icefield_pki::InvalidToken| {
        CommandError::new(error.to_string()).hint("`icefield token create NAME --role ROLE` makes one")
    })
}

/// Checks the URL of a server.
pub(crate) fn checked(url: &str) -> Result<String, CommandError> {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host.filter(|host| !host.is_empty() && !host.contains(char::is_whitespace)) {
        Some(_) => Ok(url.trim_end_matches('/').to_owned()),
        None => Err(CommandError::new(format!("{url:?} is not the URL of a server"))
            .hint("write it like https://10.0.0.1:7700")),
    }
}

/// The runtime of a command: one thread is enough for a client.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CommandError::because("cannot start", &error))
}

/// The authorities that this machine trusts for caches of anybody, as Nix looks for them.
pub(crate) fn authorities() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = named("NIX_SSL_CERT_FILE").or_else(|| named("SSL_CERT_FILE"));
    found.unwrap_or_else(|| "/etc/ssl/certs/ca-certificates.crt".into())
}
