//! The whole of it on a host of its own: the real Nix, a profile, and systems that go wrong when they are told to.
#![allow(clippy::print_stderr, reason = "a skipped test tells that it was")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use icefield_api::{SystemReport, SystemState};
use icefield_nix::Sources;
use icefield_plan::PlannedSystem;
use icefield_spec::{Health, Millis, Probe, StorePath};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Activation, Given, SystemConfig};
use crate::boottime;

const SCRIPT: &str = include_str!("../../tests/host/host.sh");
const PATIENCE: Duration = Duration::from_secs(60);

struct Host {
    root: TempDir,
    environment: BTreeMap<String, String>,
}

/// An agent's part of it.
struct Running {
    given: watch::Sender<Given>,
    contact: watch::Sender<u64>,
    reports: watch::Receiver<SystemReport>,
    task: JoinHandle<()>,
}

impl Host {
    /// A host with these systems that runs the first one; `None` if there is no Nix here.
    fn with(systems: &[&str]) -> Option<Self> {
        if Command::new("nix-store").arg("--version").output().is_err() {
            assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none_or(|value| value != "1"), "nix-store not found");
            eprintln!("SKIPPED: nix-store not found");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        let laid_out =
            Command::new("sh").args(["-c", SCRIPT, "host.sh"]).arg(root.path()).args(systems).output().unwrap();
        assert!(laid_out.status.success(), "{}", String::from_utf8_lossy(&laid_out.stderr));
        let told = String::from_utf8(laid_out.stdout).unwrap();
        let mut environment: BTreeMap<String, String> = told
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let path = std::env::var("PATH").unwrap();
        environment.insert("PATH".into(), format!("{}/bin:{path}", root.path().display()));
        Some(Self { root, environment })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn config(&self) -> SystemConfig {
        SystemConfig {
            profile: self.path("profiles/system"),
            run: self.path("run"),
            environment: self.environment.clone(),
            sources: Sources::default(),
            switch: Vec::new(),
            reboot: vec![self.path("bin/reboot").display().to_string()],
            boot_id: self.path("boot-id"),
        }
    }

    fn system(&self, version: &str) -> StorePath {
        leads_to(&self.path("nix/systems").join(version))
    }

    fn trouble(&self, lines: &str) {
        fs::write(self.path("trouble"), lines).unwrap();
    }

    fn wanted(&self, version: &str, asked: u64) -> PlannedSystem {
        PlannedSystem {
            path: self.system(version),
            asked,
            reboot: false,
            drained: false,
            healthy_for: Millis::new(200),
            confirm: Millis::new(4_000),
            health: None,
        }
    }

    fn start(&self) -> Running {
        self.start_with(self.config())
    }

    fn start_with(&self, config: SystemConfig) -> Running {
        let data = self.path("data");
        fs::create_dir_all(&data).unwrap();
        let activation = Activation::open(config, &data).unwrap();
        let (given, to_go_by) = watch::channel(Given::default());
        let (contact, contacts) = watch::channel(0);
        let (told, reports) = watch::channel(SystemReport::default());
        let task = tokio::spawn(activation.run(to_go_by, contacts, told));
        Running { given, contact, reports, task }
    }

    /// Whether that system is there as a whole: named, running, what the machine starts with, and as it was built.
    fn assert_whole(&self, version: &str) {
        let expected = self.system(version);
        for link in ["profiles/system", "run/current-system", "boot/default"] {
            assert_eq!(leads_to(&self.path(link)), expected, "{link}");
        }
        let verified = Command::new("nix-store")
            .args(["--verify-path", expected.as_str()])
            .envs(&self.environment)
            .output()
            .unwrap();
        assert!(verified.status.success());
    }
}

fn leads_to(link: &Path) -> StorePath {
    StorePath::new(fs::canonicalize(link).unwrap().to_str().unwrap()).unwrap()
}

impl Running {
    fn ask(&self, wanted: PlannedSystem) {
        let replicas = BTreeSet::from(["web/0".parse().unwrap()]);
        self.given.send_replace(Given {
            generation: 7,
            wanted: Some(wanted),
            planned: replicas.clone(),
            healthy: replicas,
        });
    }

    /// Waits for a report, with the servers there all the while or not.
    async fn until(&mut self, in_contact: bool, done: impl Fn(&SystemReport) -> bool) -> SystemReport {
        let (reports, contact) = (&mut self.reports, &self.contact);
        let waits = async {
            loop {
                if in_contact {
                    contact.send_replace(boottime::now());
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), reports.changed()).await;
                let report = reports.borrow().clone();
                if done(&report) {
                    return report;
                }
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, waits).await;
        outcome.unwrap_or_else(|_| panic!("stays at {:?}", *self.reports.borrow()))
    }

    async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn is_final(report: &SystemReport) -> bool {
    report.state.is_final()
}

#[tokio::test]
async fn a_node_comes_to_its_system_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    let report = running.until(true, is_final).await;
    assert_eq!((report.state, report.running), (SystemState::Active, Some(host.system("v2"))), "{}", report.message);
    host.assert_whole("v2");
    let number = fs::read_link(host.path("profiles/system")).unwrap();
    assert_eq!(number, Path::new("system-2-link"), "the plain profile, so that others find their way");
    running.end().await;
    // The next agent finds it done.
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    running.until(false, is_final).await;
}

#[tokio::test]
async fn what_is_not_in_the_store_is_fetched_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).envs(&host.environment).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (path, cache) = (host.system("v2"), format!("file://{}", host.path("cache").display()));
    let wanted = host.wanted("v2", 1);
    run("nix", &["--extra-experimental-features", "nix-command", "copy", "--to", &cache, path.as_str()]);
    fs::remove_file(host.path("nix/systems/v2")).unwrap();
    run("nix-store", &["--delete", path.as_str()]);
    assert!(!Path::new(path.as_str()).exists());
    let sources = Sources { substituters: vec![cache], ..Sources::default() };
    let mut running = host.start_with(SystemConfig { sources, ..host.config() });
    running.ask(wanted);
    let report = running.until(true, is_final).await;
    assert_eq!((report.state, report.running), (SystemState::Active, Some(path)), "{}", report.message);
}

#[tokio::test]
async fn whatever_fails_or_hangs_the_system_before_stays_with_nix() {
    for (step, how, end) in [
        ("realise", "fail", SystemState::Failed),
        ("realise", "hang", SystemState::Failed),
        ("verify", "fail", SystemState::Failed),
        ("set", "fail", SystemState::RolledBack),
        ("set", "hang", SystemState::RolledBack),
        ("switch", "fail", SystemState::RolledBack),
        ("switch", "hang", SystemState::RolledBack),
    ] {
        let Some(host) = Host::with(&["v1", "v2"]) else { return };
        host.trouble(&format!("{step} v2 {how}\n"));
        let mut running = host.start();
        running.ask(PlannedSystem { confirm: Millis::new(1_000), ..host.wanted("v2", 1) });
        let report = running.until(true, is_final).await;
        assert_eq!(report.state, end, "{step} {how}: {}", report.message);
        let expected = if how == "hang" { "took longer than" } else { "goes wrong, as it was told to" };
        assert!(report.message.contains(expected), "{step} {how}: {}", report.message);
        host.assert_whole("v1");
        // Only who asks anew has it tried anew.
        host.trouble("");
        running.ask(host.wanted("v2", 2));
        let report = running.until(true, |report| report.asked == 2 && report.state.is_final()).await;
        assert_eq!(report.state, SystemState::Active, "{}", report.message);
        running.end().await;
    }
}

#[tokio::test]
async fn a_node_that_loses_the_servers_goes_back_by_itself_also_after_its_agent_was_ended_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    running.until(false, |report| report.state == SystemState::Confirming).await;
    running.end().await;
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    let report = running.until(false, is_final).await;
    assert_eq!(report.state, SystemState::RolledBack);
    assert_eq!(report.message, "not confirmed within 4s: no server answers");
    host.assert_whole("v1");
}

#[tokio::test]
async fn a_node_whose_replicas_or_health_fail_goes_back_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    running.until(true, |report| report.state == SystemState::Confirming).await;
    running.given.send_modify(|given| given.healthy.clear());
    let report = running.until(true, is_final).await;
    assert_eq!(report.state, SystemState::RolledBack);
    assert!(report.message.ends_with("web/0 does not do well, and did before"), "{}", report.message);
    let probe = Probe::Exec { command: ["sh", "-c", "echo no clock >&2; exit 3"].map(str::to_owned).to_vec() };
    let health = Health {
        probe,
        interval: Millis::new(100),
        timeout: Health::default_timeout(),
        threshold: 1,
        grace: Millis::default(),
    };
    running.ask(PlannedSystem { health: Some(health), ..host.wanted("v2", 2) });
    let report = running.until(true, |report| report.asked == 2 && report.state.is_final()).await;
    assert!(report.message.ends_with("sh ended with exit status: 3: no clock"), "{}", report.message);
    host.assert_whole("v1");
}

#[tokio::test]
async fn a_switch_that_runs_apart_is_waited_for_by_the_next_agent_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    // As with systemd-run, what it has started goes on when it is killed.
    let script = r#"
        echo begun >> "$NIX_HOST/turns"
        case "$1" in *-v2/*) until [ -e "$NIX_HOST/go" ]; do sleep 0.02; done ;; esac
        echo "whoever reads this"
        "$@" && echo done >> "$NIX_HOST/turns""#;
    let switch: Vec<String> = ["setsid", "--wait", "sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    let start = || host.start_with(SystemConfig { switch: switch.clone(), ..host.config() });
    let turns = || fs::read_to_string(host.path("turns")).unwrap_or_default();

    let mut running = start();
    running.ask(host.wanted("v2", 1));
    running.until(true, |_| turns() == "begun\n").await;
    running.end().await;
    let mut running = start();
    running.ask(host.wanted("v2", 1));
    running.until(true, |report| report.state == SystemState::Switching).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(turns(), "begun\n", "it is neither ended nor begun again");
    fs::write(host.path("go"), "").unwrap();
    let report = running.until(true, is_final).await;
    assert_eq!(report.state, SystemState::Active, "{}", report.message);
    assert_eq!(turns(), "begun\ndone\nbegun\ndone\n");
    host.assert_whole("v2");
    running.ask(host.wanted("v1", 2));
    running.until(true, |report| report.asked == 2 && report.state.is_final()).await;

    // One that hangs has no longer than it would have had.
    fs::remove_file(host.path("go")).unwrap();
    fs::remove_file(host.path("turns")).unwrap();
    let wanted = PlannedSystem { confirm: Millis::new(1_000), ..host.wanted("v2", 3) };
    running.ask(wanted.clone());
    running.until(true, |_| turns() == "begun\n").await;
    running.end().await;
    let mut running = start();
    running.ask(wanted);
    let report = running.until(true, is_final).await;
    assert_eq!(report.state, SystemState::RolledBack, "{}", report.message);
    host.assert_whole("v1");
}

#[tokio::test]
async fn another_kernel_is_come_to_by_a_restart_of_the_drained_machine_with_nix() {
    let Some(host) = Host::with(&["v1", "v2:other"]) else { return };
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    let report = running.until(true, |report| report.state == SystemState::NeedsReboot).await;
    assert_eq!(report.running, Some(host.system("v1")));
    let drained = PlannedSystem { drained: true, ..host.wanted("v2", 1) };
    running.ask(drained.clone());
    running.until(true, |report| report.running == Some(host.system("v2"))).await;
    running.end().await;
    let mut running = host.start();
    running.ask(drained);
    let report = running.until(true, is_final).await;
    assert_eq!(report.state, SystemState::Active, "{}", report.message);
    assert_eq!(leads_to(&host.path("run/booted-system")), host.system("v2"));
    host.assert_whole("v2");
}

#[tokio::test]
async fn what_is_damaged_is_not_switched_to_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    let unit = fs::canonicalize(Path::new(host.system("v2").as_str()).join("etc")).unwrap().join("app.service");
    Command::new("chmod").arg("u+w").arg(&unit).status().unwrap();
    fs::write(&unit, "junk").unwrap();
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    let report = running.until(true, is_final).await;
    assert_eq!(report.state, SystemState::Failed);
    assert!(report.message.contains("was modified"), "{}", report.message);
    host.assert_whole("v1");
}

#[tokio::test]
async fn drift_is_told_and_what_is_ours_is_put_right_with_nix() {
    let Some(host) = Host::with(&["v1", "v2"]) else { return };
    let mut running = host.start();
    running.ask(host.wanted("v2", 1));
    running.until(true, is_final).await;
    let switch = |version: &str| {
        let program = format!("{}/bin/switch-to-configuration", host.system(version));
        assert!(Command::new(program).arg("test").envs(&host.environment).status().unwrap().success());
    };
    switch("v1");
    let report = running.until(true, |report| !report.drift.is_empty()).await;
    assert!(report.drift[0].ends_with("-nixos-system-v1 ran instead; switched back"), "{:?}", report.drift);
    host.assert_whole("v2");
    // A person who sets the profile has decided so.
    let set = Command::new("nix-env")
        .args(["--profile", host.path("profiles/system").to_str().unwrap(), "--set", host.system("v1").as_str()])
        .envs(&host.environment)
        .status();
    assert!(set.unwrap().success());
    switch("v1");
    let someone = |report: &SystemReport| report.drift.iter().any(|drift| drift.starts_with("someone has set"));
    running.until(true, someone).await;
    assert_eq!(leads_to(&host.path("run/current-system")), host.system("v1"));
}
