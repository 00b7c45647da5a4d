//! A node as it is meant: its first process is systemd, and the agent is a service of it.

mod common;
#[path = "../crates/agent/tests/agent/control_group.rs"]
mod control_group;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::secure::{SecureCluster, wait_for};
use common::{all_healthy, example, replicas};
use control_group::ControlGroup;
use serde_json::Value;

/// How the shared stand-in tells of a test that is skipped.
mod runner {
    #[allow(clippy::print_stderr, reason = "a test that is skipped in silence would pass for one that passed")]
    pub(crate) fn skip(what: &str) {
        eprintln!("SKIPPED {what}");
    }
}

/// What systemd starts with; the units of the machine that runs the tests are kept from it.
const TARGETS: [&str; 9] =
    ["basic", "default", "network-online", "paths", "shutdown", "slices", "sockets", "sysinit", "timers"];

/// A machine within this one: processes, mounts, control groups and settings of its own, and the same network.
const START: &str = r#"
exec unshare --pid --fork --kill-child --mount --propagation private --uts --ipc --cgroup sh -ec '
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
cp -a /etc /run/etc
mount --bind /run/etc /etc
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ ! -d "$root/$GROUP" ] || mount --bind "$root/$GROUP" "$root"
done
exec env -i container=icefield-test PATH="$PATH" SYSTEMD_UNIT_PATH="/run/systemd/system:$OWN" \
  "$MANAGER" --system --unit=default.target --log-target=console --show-status=no
'
"#;

struct Machine {
    process: Child,
    /// The number of its first process, outside.
    first: u32,
    _group: ControlGroup,
}

impl Machine {
    /// Starts one by the program `manager`, whose units are in the folder `own`; the names of those that it starts with are in
    /// `wanted`.
    fn start(manager: &str, own: &Path, wanted: &str) -> Self {
        for target in TARGETS {
            let wants = if target == "default" { format!("Wants={wanted}\n") } else { String::new() };
            let text = format!("[Unit]\nDescription={target}\nDefaultDependencies=no\n{wants}");
            fs::write(own.join(format!("{target}.target")), text).unwrap();
        }
        let group = ControlGroup::of(own.parent().unwrap());
        let mut command = group.command(START, &own.join("log"));
        let process = command.env("OWN", own).env("MANAGER", manager).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        let mut machine = Self { process, first: 0, _group: group };
        wait_for("the machine's first process", || {
            machine.first = fs::read_to_string(&children).unwrap_or_default().trim().parse().unwrap_or(0);
            let running = machine.first > 0 && machine.ask(&["show", "--property=Version"]).is_ok();
            let ended = machine.process.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(own.join("log")).unwrap());
            running
        });
        machine
    }

    /// What `systemctl` says in it.
    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--all", "systemctl", "--no-pager"]);
        let output = command.args(arguments).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn property(&self, unit: &str, name: &str) -> String {
        self.ask(&["show", &format!("--property={name}"), "--value", "--", unit]).unwrap()
    }

    /// The units of replicas that are in it.
    fn units(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("run/systemd/system"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("icefield-")).collect()
    }

    /// Where a path of it is outside.
    fn path(&self, inside: &str) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.first)).join(inside)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What runs besides the example's services.
const PROGRAM: &str = r#"
service("web", run = nix(nix_text("web", """
    derivation {
      name = "web"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/bin:/usr/bin";
      args = [ "-c" "mkdir -p $out/bin; printf '#!/bin/sh\nexec sleep 1000\n' > $out/bin/web; chmod +x $out/bin/web" ];
    }"""), ["web"]), cpu = "50m", memory = "64MiB", update = rolling(healthy_for = "100ms", deadline = "60s"))
"#;

/// The agent, as a service of the machine like the one of the NixOS module.
const AGENT: &str = "[Unit]\nDescription=Icefield agent\n[Service]\nExecStart=/bin/sh SCRIPT\nRestart=always\nRestartSec=100ms\n\
                     KillMode=process\nDelegate=yes\nStandardOutput=append:LOG\nStandardError=inherit\n";

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn a_machines_systemd_runs_services_with_users_of_their_own_with_nix_with_systemd_with_unshare_with_python() {
    let test = "a_machines_systemd_runs_services_with_users_of_their_own";
    if Command::new("nix").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none(), "there is no nix");
        return runner::skip(&format!("{test}: there is no nix"));
    }
    let Some(manager) = control_group::manager(test) else { return };
    // A service with a user of its own has a /tmp of its own too, so its program has to be elsewhere.
    let folder = tempfile::Builder::new().prefix("icefield-test-").tempdir_in("/var/cache").unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut cluster = SecureCluster::start();
    let store = at("store").display().to_string();
    let store = format!("local?store={store}&state={0}&log={0}/log", at("state").display());
    cluster.environment.set("ICEFIELD_NIX_STORE", store);
    cluster.environment.set("NIX_CONFIG", "sandbox = false\nbuild-users-group =\nsubstituters =\n");
    let nixos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/common/nixos.nix");
    cluster.environment.set("ICEFIELD_NIXPKGS", nixos.display().to_string());
    for module in ["guestbook.nix", "backup.nix"] {
        cluster.environment.write(module, &fs::read_to_string(example("nixos").join(module)).unwrap());
    }
    let declared = fs::read_to_string(example("nixos/icefield.star")).unwrap().replace("node-a", "n1");
    let file = cluster.environment.write("icefield.star", &(declared + PROGRAM));
    cluster.environment.ok(["apply", file.to_str().unwrap(), "--yes", "--no-wait"]);

    let token = cluster.token(&["join-token", "create", "--node", "n1"]);
    let command = cluster.environment.command();
    let variables = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let exports: String = variables.map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    let arguments = cluster.agent_arguments("n1", &["s1"], &["--join", &token, "--systemd", "system"]);
    let words: Vec<String> = arguments.iter().map(|word| quoted(word.to_str().unwrap())).collect();
    let program = quoted(command.get_program().to_str().unwrap());
    let script = cluster.environment.write("agent.sh", &format!("{exports}exec {program} {}\n", words.join(" ")));
    fs::create_dir(at("units")).unwrap();
    let log = cluster.environment.path("agent.log");
    let agent = AGENT.replace("SCRIPT", script.to_str().unwrap()).replace("LOG", log.to_str().unwrap());
    fs::write(at("units/agent.service"), agent).unwrap();
    let machine = Machine::start(manager, &at("units"), "agent.service");
    let told = || fs::read_to_string(&log).unwrap_or_default();
    let healthy = |status: &Value| all_healthy(status) && replicas(status).len() == 3;
    wait_for(&format!("the agent to come up: {}", told()), || machine.property("agent.service", "MainPID") != "0");
    let status = cluster.until("all is healthy", &["status", "--json"], healthy);

    // The user is there as long as its services run, and owns what they wrote.
    let unit =
        |end: &str| machine.units().into_iter().find(|name| name.ends_with(end)).unwrap_or_else(|| panic!("{end}"));
    let guestbook = unit("-guestbook.service");
    let pid = machine.property(&guestbook, "MainPID");
    assert_eq!(machine.property(&guestbook, "DynamicUser"), "yes");
    let user = fs::metadata(machine.path(&format!("proc/{pid}/status"))).unwrap().uid();
    assert!((61_184..=65_519).contains(&user), "{user} is not of the numbers for such users");
    let page = machine.path("var/lib/private/guestbook/index.html");
    assert_eq!((fs::metadata(&page).unwrap().uid(), &*fs::read_to_string(&page).unwrap()), (user, "Our guests\n"));
    assert_eq!(machine.property(&guestbook, "Slice"), guestbook.replace("-guestbook.service", ".slice"));

    // A timer and a program of a package are units too.
    let of = |status: &Value, name: &str| {
        let services = status["services"].as_array().unwrap();
        services.iter().find(|service| service["name"] == name).unwrap()["replicas"][0].clone()
    };
    assert_eq!(of(&status, "backup")["pid"], Value::Null);
    let logged = |service: &str| cluster.environment.ok(["logs", service]);
    wait_for("what the timer starts", || logged("backup/0").contains("saved"));
    let web = machine.units().into_iter().find(|name| name.contains("-web-") && name.ends_with("@0.service")).unwrap();
    assert_eq!(machine.property(&web, "MainPID"), of(&status, "web")["pid"].to_string());

    // An agent that is killed comes back, and nothing else notices.
    let before = machine.property("agent.service", "MainPID");
    machine.ask(&["kill", "--signal=KILL", "--kill-who=main", "agent.service"]).unwrap();
    wait_for("the agent to come back", || {
        !["0", &before].contains(&machine.property("agent.service", "MainPID").as_str())
    });
    wait_for("it to look at its units again", || {
        let _ = fs::remove_file(machine.path(&format!("run/systemd/system/{web}")));
        std::thread::sleep(std::time::Duration::from_millis(100));
        machine.units().contains(&web)
    });
    assert_eq!((machine.property(&guestbook, "MainPID"), machine.property(&guestbook, "NRestarts")), (pid, "0".into()));
    let after = cluster.until("all is healthy again", &["status", "--json"], healthy);
    for name in ["backup", "guestbook", "web"] {
        assert_eq!(
            (&of(&after, name)["pid"], &of(&after, name)["restarts"]),
            (&of(&status, name)["pid"], &0.into()),
            "{name}"
        );
    }

    // What is not declared any more goes, with its user and its file.
    cluster.environment.write("icefield.star", "cluster(\"shop\")\nnode(\"n1\", cpu = 2, memory = \"1GiB\")\n");
    cluster.environment.ok(["apply", file.to_str().unwrap(), "--yes", "--no-wait"]);
    wait_for("nothing to be left", || machine.units().is_empty());
    wait_for("its user to be gone", || {
        fs::read_dir(machine.path("run/systemd/dynamic-uid")).is_ok_and(|users| users.count() == 0)
    });
    assert!(!machine.path("etc/guestbook").exists());
}
