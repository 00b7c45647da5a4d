//! A node's units are what the expression says that is shown of it: real Nix, real systemd.

mod common;
#[path = "../crates/agent/tests/agent/control_group.rs"]
mod control_group;
#[path = "../crates/agent/tests/agent/systemd.rs"]
mod systemd;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{DevCluster, TestEnvironment, all_healthy, example};
use serde_json::{Value, json};
use systemd::Systemd;

/// How the shared stand-in tells of a test that is skipped.
mod runner {
    #[allow(clippy::print_stderr, reason = "a test that is skipped in silence would pass for one that passed")]
    pub(crate) fn skip(what: &str) {
        eprintln!("SKIPPED {what}");
    }
}

const CONFIG: &str = "sandbox = false\nbuild-users-group =\nsubstitute = false\n";

const SPEC: &str = r#"
cluster("shop")
node("node-a", cpu = 2, memory = "1GiB")
service("web",
    run = nix(nix_file("web.nix"), ["web", "$PORT_HTTP"]),
    replicas = 1, cpu = "50m", memory = "64MiB",
    env = {"GREETING": "50% of $ICEFIELD_SERVICE", "COST": "5$$"},
    ports = {"http": dynamic()},
    health = http("/", port = "http", every = "200ms"))
service("db",
    run = nixos([nix_file("db.nix")], nixpkgs = "./nixpkgs"),
    replicas = 1, cpu = "50m", memory = "64MiB", ports = {"sql": dynamic()})
"#;

const MODULE: &str = r#"{ ... }: {
  systemd.units."db.service" = {
    text = "[Unit]\nDescription=A database\n\n[Service]\nExecStart=/bin/sh -c 'echo listening on $PORT_SQL; exec sleep 1000'\nRestart=always\n";
    wantedBy = [ "multi-user.target" ];
  };
}
"#;

/// As much of NixOS as the module uses.
const EVAL_CONFIG: &str = r#"{ system, modules }:
let
  set = builtins.foldl' (all: module: all // (import module { })) { } modules;
  write = name: text: derivation {
    inherit name system text;
    builder = "/bin/sh";
    args = [ "-c" "PATH=/bin:/usr/bin; mkdir $out; printf %s \"$text\" > $out/$name" ];
  };
in
{
  config.systemd.units = builtins.mapAttrs (name: unit: unit // { unit = write name unit.text; }) (set.systemd.units or { });
}
"#;

/// The settings of a unit by section and name; an empty one takes back those before it.
fn settings(texts: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with(['#', '['])) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let values = all.entry(name.to_owned()).or_default();
        match value {
            "" => values.clear(),
            value => values.push(value.to_owned()),
        }
    }
    all
}

/// A word or an assignment without its quotes.
fn plain(text: &str) -> String {
    text.trim_matches('"').replace("%%", "%")
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(plain).collect()
}

#[test]
fn what_is_shown_of_a_node_is_what_its_systemd_runs_with_nix_with_systemd() {
    let test = "what_is_shown_of_a_node_is_what_its_systemd_runs";
    if Command::new("nix").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none(), "there is no nix");
        return runner::skip(&format!("{test}: there is no nix"));
    }
    let Some(systemd) = Systemd::start(test) else { return };
    let mut environment = TestEnvironment::new();
    for entry in fs::read_dir(example("nix")).unwrap() {
        let entry = entry.unwrap();
        environment.write(entry.file_name().to_str().unwrap(), &fs::read_to_string(entry.path()).unwrap());
    }
    let file = environment.write("icefield.star", SPEC);
    environment.write("db.nix", MODULE);
    environment.write("nixpkgs/nixos/lib/eval-config.nix", EVAL_CONFIG);
    let store = environment.path("store").display().to_string();
    let state = environment.path("state").display().to_string();
    let store = format!("local?store={store}&real={store}&state={state}&log={state}/log");
    environment.set("ICEFIELD_NIX_STORE", store.clone());
    environment.set("NIX_CONFIG", CONFIG);
    environment.set("ICEFIELD_SYSTEMD", "user");
    environment.set("XDG_RUNTIME_DIR", systemd.config().runtime_dir.unwrap().display().to_string());
    let cluster = DevCluster::start(&environment, &file, None);
    cluster.until("all is healthy", all_healthy);

    // The whole expression, built.
    let shown = environment.ok(["show", "node-a", "--target", "nix"]);
    for part in shown.split("### ").skip(1) {
        let (path, text) = part.split_once('\n').unwrap();
        environment.write(&format!("shown/{path}"), text);
    }
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../emit/tests/nix");
    for name in ["evaluate.nix", "lib.nix"] {
        environment.write(&format!("shown/test/{name}"), &fs::read_to_string(stand_in.join(name)).unwrap());
    }
    let evaluated = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--store", &store, "--argstr", "node", "node-a"])
        .arg(environment.path("shown/test/evaluate.nix"))
        .env("NIX_CONFIG", CONFIG)
        .output()
        .unwrap();
    assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
    let config: Value = serde_json::from_slice(&evaluated.stdout).unwrap();

    // Of a program: every setting of its service is the same, but for who starts it anew, and where it writes and works.
    let units = systemd.units();
    let of = |start: &str, end: &str| {
        units.iter().find(|name| name.starts_with(start) && name.ends_with(end)).unwrap_or_else(|| panic!("{units:?}"))
    };
    let service = of("icefield-node-a-web-", "@0.service");
    let read = |name: &str| fs::read_to_string(systemd.unit(name)).unwrap();
    let mut own = settings(&[read(service), read(&format!("{service}.d/50-icefield.conf"))]);
    let unit = &config["systemd"]["services"]["icefield-web@0"];
    let declared = unit["serviceConfig"].as_object().unwrap();
    assert_eq!(words(&own["ExecStart"][0]), words(declared["ExecStart"].as_str().unwrap()));
    for name in ["Type", "TimeoutStopSec", "CPUWeight", "MemoryMax"] {
        let value = declared[name].as_str().map_or_else(|| declared[name].to_string(), str::to_owned);
        assert_eq!(own[name], [value], "{name}");
    }
    let variables: BTreeMap<String, String> = own["Environment"]
        .iter()
        .map(|assignment| plain(assignment))
        .map(|assignment| assignment.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    let environment_of = unit["environment"].as_object().unwrap();
    for (name, value) in environment_of.iter().filter(|(name, _)| *name != "ICEFIELD_ENDPOINTS") {
        assert_eq!(variables.get(name), Some(&plain(value.as_str().unwrap())), "{name}");
    }
    assert!(environment_of.len() >= 10 && variables["GREETING"] == "50% of web", "{variables:?}");
    let names = |all: &mut dyn Iterator<Item = &String>| all.cloned().collect::<BTreeSet<_>>();
    let shared = ["ExecStart", "Type", "TimeoutStopSec", "CPUWeight", "MemoryMax"];
    own.retain(|name, _| !shared.contains(&name.as_str()) && name != "Environment");
    let only_own = names(&mut own.keys());
    let only_declared = names(&mut declared.keys().filter(|name| !shared.contains(&name.as_str())));
    let expected = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let agents = ["After", "Description", "PartOf", "Restart", "RestartSec", "StandardError", "StandardOutput"];
    assert_eq!(only_own, expected(&[&agents[..], &["StartLimitIntervalSec", "WorkingDirectory"]].concat()));
    assert_eq!(only_declared, expected(&["Restart", "RestartMaxDelaySec", "RestartSec", "RestartSteps"]));
    assert_eq!((&own["Restart"], &declared["Restart"]), (&vec!["always".into(), "no".to_owned()], &json!("always")));
    assert_eq!(own["Description"], ["Replica %i of web"]);
    assert_eq!(unit["description"], "Replica 0 of web");
    assert_eq!(
        (unit["after"].clone(), own["After"].clone()),
        (json!(["network-online.target"]), vec!["network-online.target".into()])
    );
    assert_eq!(own["StartLimitIntervalSec"], [unit["startLimitIntervalSec"].to_string()]);

    // Of modules: the unit itself is.
    let service = of("icefield-node-a-db-0-", "-db.service");
    assert_eq!(read(service), config["systemd"]["units"]["db.service"]["text"]);
    assert_eq!(systemd.property(service, "ActiveState"), "active");
    for unit in &units {
        if unit.ends_with(".service") {
            assert_eq!(systemd.property(unit, "NeedDaemonReload"), "no", "{unit}");
        }
    }
    let said = environment.ok(["logs", "db/0"]);
    assert!(said.contains("listening on "), "{said}");
    cluster.stop();
    assert!(systemd.units().is_empty(), "{:?}", systemd.units());
}
