use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icefield_api::{Client, Stale};

use crate::cli::{ClusterArgs, StaleArgs};
use crate::command_error::CommandError;
use crate::{dev, output, render};

/// No wait: the answer as things stand.
pub(crate) const NOW: Duration = Duration::ZERO;

/// A client of the cluster that the options name, else of the running dev cluster; `None` if there is neither.
pub(crate) fn find(cluster: &ClusterArgs) -> Result<Option<Client>, CommandError> {
    if !cluster.server.is_empty() {
        return cluster.server.iter().map(|url| checked(url)).collect::<Result<Vec<_>, _>>().map(Client::new).map(Some);
    }
    Ok(dev::Registry::open()?.only_running()?.map(|running| Client::new(running.urls())))
}

/// The same where the command cannot do without.
pub(crate) fn require(cluster: &ClusterArgs) -> Result<Client, CommandError> {
    find(cluster)?.ok_or_else(|| {
        CommandError::new("no cluster is running here")
            .hint("`icefield dev FILE` starts one; --server URL names another")
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

fn checked(url: &str) -> Result<String, CommandError> {
    let host = url.strip_prefix("http://").filter(|host| !host.is_empty() && !host.contains(char::is_whitespace));
    match host {
        Some(_) => Ok(url.to_owned()),
        None => Err(CommandError::new(format!("{url:?} is not the URL of a server"))
            .hint("write it like http://127.0.0.1:7700")),
    }
}

/// The runtime of a command: one thread is enough for a client.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CommandError::because("cannot start", &error))
}
