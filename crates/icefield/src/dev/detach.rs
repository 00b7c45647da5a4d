use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use console::Term;
use icefield_api::Client;
use icefield_spec::{Revision, Spec};

use super::layout::Layout;
use super::sample::nodes_to_start;
use super::secrets::UNSET;
use super::session::{Options, already_running};
use crate::building::build_services;
use crate::command_error::CommandError;
use crate::commands::apply::follow;
use crate::render::LiveText;
use crate::{connect, output};

const LOOK: Duration = Duration::from_millis(10);

/// Starts the cluster in the background and waits until all of it is healthy, for `limit` at most.
pub(crate) fn detach(options: &Options, arguments: &[OsString], limit: Duration) -> Result<u8, CommandError> {
    // Mistakes are shown here and now, not in a log.
    let mut spec = options.source.load()?.spec;
    build_services(&mut spec, options.source.folder(), &options.build)?;
    spec.fill_in_ports();
    nodes_to_start(&spec, options.sample)?;
    fs::create_dir_all(&options.data)
        .map_err(|error| CommandError::because(format!("cannot create {}", options.data.display()), &error))?;
    let layout = Layout::new(fs::canonicalize(&options.data)?);
    if layout.is_locked() {
        return Err(already_running(&layout));
    }
    let log = layout.root().join("dev.log");
    let file =
        File::create(&log).map_err(|error| CommandError::because(format!("cannot write {}", log.display()), &error))?;
    let mut child = Command::new(crate::own_binary())
        .arg("dev")
        .args(arguments)
        .arg("--background")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .map_err(|error| CommandError::because("cannot start the dev cluster", &error))?;
    let start = Instant::now();
    let running = loop {
        if let Some(running) = layout.read_running().filter(|running| running.pid == child.id()) {
            break running;
        }
        still_there(&mut child, &log)?;
        if start.elapsed() > limit {
            return Err(CommandError::new("the dev cluster does not start").hint(format!("see {}", log.display())));
        }
        std::thread::sleep(LOOK);
    };
    connect::runtime()?.block_on(async {
        let client = Client::new(running.urls());
        let mut live = LiveText::new(Term::stderr());
        // Until the servers are up and the spec is in force there is nothing to follow.
        let revision = loop {
            if let Some(revision) = in_force(&client, &spec).await {
                break revision;
            }
            still_there(&mut child, &log)?;
            if start.elapsed() > limit {
                return Err(CommandError::new("the file is not in force yet").hint(format!("see {}", log.display())));
            }
            tokio::time::sleep(LOOK).await;
        };
        follow(&client, &revision, false, limit.saturating_sub(start.elapsed()), &mut live)
            .await
            .map_err(|error| error.hint("the cluster goes on; `icefield dev --stop` ends it"))?;
        for line in fs::read_to_string(&log)?.lines().filter(|line| line.starts_with(UNSET)) {
            output::line(line)?;
        }
        output::line(&format!("running in the background: {} (`icefield dev --stop` ends it)", running.urls()[0]))?;
        Ok(0)
    })
}

/// The revision in force, if that is of `spec`, whatever the versions of its secrets.
async fn in_force(client: &Client, spec: &Spec) -> Option<Revision> {
    let revision = client.status(None, connect::NOW).await.ok()?.revision?;
    if revision == spec.revision() {
        return Some(revision);
    }
    let services = spec.services.values().map(|service| &service.unit);
    if services.chain(spec.jobs.values().map(|job| &job.unit)).all(|unit| unit.secret_names().is_empty()) {
        return None;
    }
    let mut found = client.spec().await.ok()??;
    let revision = found.revision();
    found.services.values_mut().for_each(|service| service.unit.secrets.clear());
    found.jobs.values_mut().for_each(|job| job.unit.secrets.clear());
    (found == *spec).then_some(revision)
}

/// Fails with what the background process said if it has ended.
fn still_there(child: &mut Child, log: &Path) -> Result<(), CommandError> {
    match child.try_wait()? {
        None => Ok(()),
        Some(status) => {
            output::complain(&tail(log));
            Err(CommandError::new(format!("the dev cluster has ended ({status})")))
        }
    }
}

/// The end of a log.
fn tail(log: &Path) -> String {
    const LENGTH: u64 = 4096;
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(LENGTH)));
        let _ = file.read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}
