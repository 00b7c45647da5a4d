use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use icefield_agent::{Activation, Given, Sources, SystemConfig};
use icefield_api::SystemReport;
use icefield_plan::PlannedSystem;
use icefield_spec::{Millis, StorePath};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use crate::Failure;

/// What an agent does of an activation, in a process of its own that can be killed.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The host
    #[arg(long)]
    root: PathBuf,
    /// The system that it is to come to
    #[arg(long)]
    system: StorePath,
    /// When it was asked for
    #[arg(long)]
    asked: u64,
    /// Whether servers are there to confirm it
    #[arg(long)]
    well: bool,
}

/// Brings the host to the system or back, and says which.
pub(crate) async fn work(worker: &Worker) -> Result<(), Failure> {
    let path = |name: &str| worker.root.join(name);
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let config = SystemConfig {
        profile: path("profiles/system"),
        run: path("run"),
        environment,
        sources: Sources::default(),
        switch: Vec::new(),
        reboot: vec![path("bin/reboot").display().to_string()],
        boot_id: path("boot-id"),
    };
    let activation = Activation::open(config, &path("data"))?;
    let wanted = PlannedSystem {
        path: worker.system.clone(),
        asked: worker.asked,
        reboot: false,
        drained: true,
        healthy_for: Millis::new(100),
        confirm: Millis::new(if worker.well { 20_000 } else { 700 }),
        health: None,
    };
    let given = Given { generation: worker.asked, wanted: Some(wanted), ..Given::default() };
    let (_given, to_go_by) = watch::channel(given);
    let (contact, contacts) = watch::channel(0);
    let (told, mut reports) = watch::channel(SystemReport::default());
    let task = tokio::spawn(activation.run(to_go_by, contacts, told));
    loop {
        if worker.well {
            let now = clock_gettime(ClockId::Boottime);
            let millis = u64::try_from(now.tv_sec)? * 1_000 + u64::try_from(now.tv_nsec)? / 1_000_000;
            contact.send_replace(millis);
        }
        let _ = tokio::time::timeout(Duration::from_millis(20), reports.changed()).await;
        let report = reports.borrow().clone();
        if report.asked == worker.asked && report.state.is_final() {
            task.abort();
            let _ = task.await;
            writeln!(std::io::stdout(), "{}", report.state)?;
            return Ok(());
        }
    }
}
