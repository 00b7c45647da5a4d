//! Replicas that are units of a real systemd.

pub(crate) mod programs;
pub(crate) mod trees;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use icefield_agent::{AgentConfig, NixConfig, SystemdConfig};
use icefield_spec::{Bytes, Cpu, Millis, NixSource, Run, Unit};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::systemd::Systemd;

const HASH: &str = "d8saylrbwdk1qrhr29965vdb9ahx5y0d";

/// A Nix that has all that is asked for.
fn nix(fixture: &Fixture) -> NixConfig {
    let path = fixture.path("nix");
    let script = "#!/bin/sh\ncase \"$*\" in *--version*) echo 'nix (Nix) 2.18.1' ;; esac\n";
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    NixConfig { program: path.into(), store: None }
}

fn config(fixture: &Fixture, systemd: SystemdConfig) -> AgentConfig {
    AgentConfig { nix: nix(fixture), systemd: Some(systemd), ..fixture.config() }
}

async fn node(test: &str) -> Option<(Fixture, Systemd)> {
    let systemd = Systemd::start(test)?;
    let mut fixture = Fixture::new().await;
    fixture.start_with(config(&fixture, systemd.config())).await;
    Some((fixture, systemd))
}

fn closures(path: &Path) -> BTreeMap<String, icefield_spec::StorePath> {
    BTreeMap::from([("x86_64-linux".to_owned(), path.to_str().unwrap().parse().unwrap())])
}

fn unit_of(run: Run) -> Unit {
    Unit { stop_grace: Millis::new(2_000), ..Unit::new(run, Cpu::from_millis(100), Bytes::new(64 << 20)) }
}

/// A service `web` of the kind `nix`, whose program is `script`.
fn program(fixture: &Fixture, folder: &str, script: &str, command: &[&str]) -> Unit {
    let closure = fixture.path(folder).join(format!("{HASH}-icefield-web"));
    fs::create_dir_all(closure.join("bin")).unwrap();
    fs::create_dir_all(closure.join("lib/systemd/system")).unwrap();
    fs::write(closure.join("bin/web"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(closure.join("bin/web"), fs::Permissions::from_mode(0o755)).unwrap();
    let text = "[Unit]\nDescription=Replica %i of web\n\n[Service]\nType=exec\nExecStart=/usr/bin/env \"web\"\nRestart=always\n";
    fs::write(closure.join("lib/systemd/system/icefield-web@.service"), text).unwrap();
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    unit_of(Run::Nix { package: NixSource::Reference("web".into()), command, closures: closures(&closure) })
}

/// A service of the kind `nixos` with these units; those that start with the system are in `wanted`.
fn modules(fixture: &Fixture, folder: &str, units: &[(&str, &str)], wanted: &[&str], more: &Value) -> Unit {
    let store = fixture.path(folder);
    fs::create_dir_all(&store).unwrap();
    let mut all = json!({"units": {}});
    for (name, text) in units {
        fs::write(store.join(name), text).unwrap();
        all["units"][name] = json!({"text": text, "path": store.join(name), "wanted": wanted.contains(name)});
    }
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    let manifest = store.join(format!("{HASH}-db"));
    fs::write(&manifest, all.to_string()).unwrap();
    unit_of(Run::Nixos { modules: Vec::new(), nixpkgs: None, closures: closures(&manifest) })
}

fn log(fixture: &Fixture, replica: &str) -> String {
    fs::read_to_string(fixture.replica_path(replica, "log")).unwrap_or_default()
}

/// As long as it is there, nobody can ask the manager anything.
struct Silence(PathBuf);

impl Silence {
    fn of(systemd: &Systemd) -> Self {
        let socket = systemd.config().runtime_dir.unwrap().join("systemd/private");
        fs::rename(&socket, socket.with_extension("away")).unwrap();
        Self(socket)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = fs::rename(self.0.with_extension("away"), &self.0);
    }
}
