use std::time::Duration;

use icefield_api::Client;

use crate::cli::ClusterArgs;
use crate::command_error::CommandError;
use crate::dev;

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
