//! What the nix target writes, evaluated by the real Nix: the systems say what the plans say.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::nix::Nix;
use common::unit_words::split;
use common::{emitted, expected, name, one, plans, shop, skip};
use icefield_emit::{Target, emit};
use icefield_placement::Placement;
use icefield_plan::{Fleet, compile};
use icefield_spec::{NixSource, Run, Spec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn node(nix: &Nix, node: &str) -> Value {
    nix.evaluate(&format!("import ./test/evaluate.nix {{ node = \"{node}\"; }}"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_replica_is_a_unit_with_its_command_and_variables_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "every_replica_is_a_unit_with_its_command_and_variables_with_nix")
    else {
        return;
    };
    for plan in plans(&shop(true)) {
        let config = node(&nix, plan.node.as_str());
        assert_eq!(config["networking"]["hostName"], plan.node.as_str());
        assert_eq!(config["nixpkgs"]["hostPlatform"], plan.system.as_str());
        let services = &config["systemd"]["services"];
        let mut units = BTreeSet::new();
        for id in plan.replicas.keys() {
            let unit = &plan.unit(id).expect("it is planned").unit;
            let unit_name = format!("icefield-{}@{}", id.service, id.index);
            let (command, variables) = expected(&plan, id);
            let found = &services[&unit_name];
            let exec_start = || split(found["serviceConfig"]["ExecStart"].as_str().expect("a text"), true);
            let argv = match &unit.run {
                Run::Exec { .. } if command[0] == "python3" => {
                    [vec!["/nix/store/coreutils/bin/env".to_owned()], command].concat()
                }
                // A space is beyond what the first word of a command line can hold.
                Run::Exec { .. } => [vec!["/nix/store/coreutils/bin/env".to_owned()], command].concat(),
                Run::Nix { package, .. } => {
                    let package = if *package == NixSource::Reference("cowsay".into()) { "cowsay" } else { "api" };
                    [vec![format!("/nix/store/{package}/bin/{}", command[0])], command[1..].to_vec()].concat()
                }
                Run::Container { image, .. } => {
                    let mut argv: Vec<String> = ["/nix/store/podman/bin/podman", "run", "--name=icefield-store-0"]
                        .iter()
                        .chain(&["--replace", "--rm", "--cgroups=split", "--network=host"])
                        .map(|word| (*word).to_owned())
                        .collect();
                    argv.extend(variables.iter().map(|(name, value)| format!("--env={name}={value}")));
                    let file = "/etc/icefield/endpoints/web.json";
                    let data = "/var/lib/icefield/volumes/store-0/data";
                    argv.extend([
                        format!("--volume={file}:{file}:ro"),
                        "--volume=/etc/icefield/files/store-0/etc/redis.conf:/etc/redis.conf:ro".into(),
                        "--volume=/run/credentials/icefield-store@0.service/run_secrets_acl:/run/secrets/acl:ro".into(),
                        format!("--volume={data}:{data}"),
                        image.clone(),
                    ]);
                    assert_eq!(found["serviceConfig"]["Delegate"], true);
                    assert_eq!(found["environment"], json!({}));
                    [argv, command].concat()
                }
                Run::Nixos { .. } | Run::Microvm { .. } => continue,
            };
            assert_eq!(exec_start(), argv, "{unit_name}");
            if !matches!(unit.run, Run::Container { .. }) {
                let escaped: BTreeMap<_, _> = variables.iter().map(|(k, v)| (k, v.replace('%', "%%"))).collect();
                assert_eq!(found["environment"], json!(escaped), "{unit_name}");
            }
            assert_eq!(found["serviceConfig"]["MemoryMax"], unit.memory.get());
            let restart = if unit.once { "on-failure" } else { "always" };
            assert_eq!(found["serviceConfig"]["Restart"], restart);
            let folder = format!("icefield/volumes/{}-{}", id.service, id.index);
            let on_node = unit.volumes.iter().filter(|(_, volume)| volume.source.is_host());
            let mut folders: Vec<String> =
                on_node.map(|(name, _)| name).map(|volume| format!("{folder}/{volume}")).collect();
            folders.extend((id.service.as_str() == "migrate").then(|| "icefield/jobs".to_owned()));
            let made = found["serviceConfig"]["StateDirectory"].as_str().unwrap_or_default();
            assert_eq!(made, folders.join(" "), "{unit_name}");
            let is_timed = id.service.as_str() == "report";
            assert_eq!(found["wantedBy"], if is_timed { json!([]) } else { json!(["multi-user.target"]) });
            units.insert(unit_name);
        }
        assert_eq!(keys(services), units.iter().map(String::as_str).collect(), "no unit more");
    }
}

#[test]
fn jobs_run_to_their_end_and_volumes_are_mounted_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "jobs_run_to_their_end_and_volumes_are_mounted_with_nix") else {
        return;
    };
    let config = node(&nix, "metal-1");
    let migrate = &config["systemd"]["services"]["icefield-migrate@0"];
    assert_eq!(migrate["serviceConfig"]["Type"], "oneshot");
    assert_eq!(migrate["unitConfig"]["StartLimitBurst"], 3);
    let done = migrate["unitConfig"]["ConditionPathExists"].as_str().unwrap().trim_start_matches('!').to_owned();
    assert_eq!(migrate["serviceConfig"]["ExecStartPost"], format!("/nix/store/coreutils/bin/touch {done}"));
    assert_eq!(keys(&config["systemd"]["timers"]), BTreeSet::new());
    let config = node(&nix, "metal-2");
    let mount = &config["systemd"]["mounts"][0];
    let folder = "/var/lib/icefield/volumes/ledger-0/data";
    assert_eq!((&mount["what"], &mount["where"]), (&json!("10.0.0.5:/export/ledger"), &json!(folder)));
    assert_eq!((&mount["type"], &mount["options"]), (&json!("nfs"), &json!("vers=4.2,hard")));
    let ledger = &config["systemd"]["services"]["icefield-ledger@0"];
    assert_eq!(ledger["unitConfig"]["RequiresMountsFor"], json!([folder]));
    let timers = &config["systemd"]["timers"];
    let times = json!(["*-*-01 03:30:00 Europe/Berlin", "Mon,Tue,Wed,Thu,Fri *-*-* 03:30:00 Europe/Berlin"]);
    assert_eq!(timers["icefield-report@0"]["timerConfig"]["OnCalendar"], times);
}

#[test]
fn files_are_where_their_replica_is_told_and_secrets_are_only_named_with_nix() {
    let test = "files_are_where_their_replica_is_told_and_secrets_are_only_named_with_nix";
    let Some(nix) = Nix::with(&emitted(Target::Nix), test) else { return };
    let config = node(&nix, "metal-2");
    let ledger = &config["systemd"]["services"]["icefield-ledger@0"]["serviceConfig"];
    assert_eq!(ledger["LoadCredential"], json!(["tls_key.pem:/run/icefield/secrets/ledger/tls-key"]));
    let store = &config["systemd"]["services"]["icefield-store@0"]["serviceConfig"];
    assert_eq!(store["LoadCredential"], json!(["run_secrets_acl:/run/icefield/secrets/store/acl"]));
    let etc = &config["environment"]["etc"];
    let file = |path: &str| &etc[format!("icefield/files/{path}")];
    let source = file("ledger-0/conf/ledger.toml")["source"].as_str().expect("a path");
    assert!(source.ends_with("/files/metal-2/ledger-0/conf/ledger.toml"), "{source}");
    assert_eq!(file("ledger-0/conf/ledger.toml")["mode"], "0640");
    assert!(file("ledger-0/motd")["mode"].is_null() && file("store-0/etc/redis.conf")["source"].is_string());
    assert!(file("ledger-0/tls/key.pem").is_null(), "its value is nowhere");
}

#[test]
fn limits_and_times_are_those_of_the_service_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "limits_and_times_are_those_of_the_service_with_nix") else {
        return;
    };
    let limits = |on: &str, unit: &str| {
        let config = node(&nix, on);
        let service = &config["systemd"]["services"][unit]["serviceConfig"];
        json!([service["CPUWeight"], service["MemoryMax"], service["TimeoutStopSec"]])
    };
    assert_eq!(limits("metal-1", "icefield-web@0"), json!([50, 268_435_456, "1ms"]));
    assert_eq!(limits("metal-1", "icefield-api@0"), json!([100, 1_073_741_824, "10s"]));
    assert_eq!(limits("workers-1", "icefield-tricky@0"), json!([1, 1_048_576, "10s"]));
}

#[test]
fn a_node_has_its_base_and_opens_its_ports_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "a_node_has_its_base_and_opens_its_ports_with_nix") else {
        return;
    };
    let metal = node(&nix, "metal-1");
    let ports = metal["networking"]["firewall"]["allowedTCPPorts"].as_array().expect("a list");
    let ports: BTreeSet<_> = ports.iter().filter_map(Value::as_u64).collect();
    assert_eq!(ports, [22, 7000, 20_000, 20_001, 20_002].into());
    assert_eq!(metal["networking"]["timeServers"], json!(["0.pool.ntp.org", "1.pool.ntp.org"]));
    assert_eq!(metal["environment"]["systemPackages"], json!(["/nix/store/htop", "/nix/store/requests"]));
    assert_eq!(metal["services"]["openssh"]["settings"]["PermitRootLogin"], "prohibit-password");
    assert_eq!(metal["boot"]["loader"]["grub"]["device"], "/dev/sda", "the user's own module is there");
    assert_eq!(metal["virtualisation"]["podman"].get("enable"), None, "there is no container on it");

    let other = node(&nix, "metal-2");
    assert_eq!(other["virtualisation"]["podman"]["enable"], true);
    assert_eq!(other["networking"].get("timeServers"), None, "it has no base");
}

#[test]
fn endpoints_of_used_services_are_in_etc_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "endpoints_of_used_services_are_in_etc_with_nix") else { return };
    let config = node(&nix, "metal-1");
    let files = &config["environment"]["etc"];
    assert_eq!(keys(files), ["icefield/endpoints/api.json", "icefield/endpoints/store.json"].into());
    let source = files["icefield/endpoints/store.json"]["source"].as_str().expect("a path");
    let text = std::fs::read_to_string(source).expect("the file is there");
    let endpoints: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(endpoints, json!([{"index": 0, "node": "metal-2", "address": "10.0.0.12", "ports": {"redis": 6379}}]));
}

#[test]
fn modules_and_guests_know_their_replica_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "modules_and_guests_know_their_replica_with_nix") else { return };
    let config = node(&nix, "metal-2");
    assert_eq!(config["services"]["grafana"]["settings"]["server"]["http_port"], 3000);
    let guest = &config["microvm"]["vms"]["vault-0"]["config"];
    assert_eq!(guest["microvm"]["vcpu"], 2);
    assert_eq!(guest["microvm"]["mem"], 600);
    assert_eq!(guest["microvm"]["forwardPorts"], json!([{"guest": {"port": 20_001}, "host": {"port": 20_001}}]));
    assert_eq!(guest["systemd"]["globalEnvironment"]["LEVEL"], "100%%");
    assert_eq!(guest["systemd"]["globalEnvironment"]["PORT_API"], "20001");
    let keys_folder = "/var/lib/icefield/volumes/vault-0/keys";
    assert_eq!(guest["systemd"]["globalEnvironment"]["VOLUME_KEYS"], keys_folder);
    assert_eq!(
        guest["microvm"]["shares"],
        json!([{"proto": "virtiofs", "tag": "volume-0", "source": keys_folder, "mountPoint": keys_folder}])
    );
    assert_eq!(config["systemd"]["tmpfiles"]["rules"], json!([format!("d {keys_folder} 0700 - - -")]));
    let mac = guest["microvm"]["interfaces"][0]["mac"].as_str().expect("a text");
    assert!(mac.starts_with("02:") && mac.split(':').count() == 6 && mac.len() == 17, "{mac}");
    assert_eq!(keys(&guest["environment"]["etc"]), ["icefield/endpoints/store.json"].into());
    assert!(guest["imports"][0].as_str().expect("a path").ends_with("/services/vault/vault.nix"));
}

/// What the flake uses of nixpkgs; the system of a node is the files that it is made of.
const LIB: &str = r#"{
  hasSuffix = s: t: builtins.match ".*${builtins.replaceStrings [ "." ] [ "[.]" ] s}" t != null;
  removeSuffix = s: t: builtins.substring 0 (builtins.stringLength t - builtins.stringLength s) t;
  genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  importJSON = file: builtins.fromJSON (builtins.readFile file);
  nixosSystem = { specialArgs, modules }: map toString modules;
}"#;

#[test]
fn the_flake_has_a_system_for_each_node_with_nix() {
    let Some(nix) = Nix::with(&emitted(Target::Nix), "the_flake_has_a_system_for_each_node_with_nix") else { return };
    let systems = nix.evaluate(&format!(
        "let nixpkgs.lib = {LIB}; in (import ./flake.nix).outputs {{ self = {{ }}; inherit nixpkgs; }}"
    ));
    let nodes = &systems["nixosConfigurations"];
    assert_eq!(keys(nodes), ["metal-1", "metal-2", "workers-1", "workers-2"].into());
    let expected = nix.path().join("nodes/metal-1.nix");
    assert_eq!(nodes["metal-1"], json!([expected.to_str().expect("a path in UTF-8")]));
}

#[test]
fn a_node_can_start_from_a_configuration_of_a_flake_with_nix() {
    let mut spec = Spec::empty(name("c"));
    for (base, told) in [("plain", json!({})), ("web", json!({"flake": "github:me/infra#web.example"}))] {
        spec.bases.insert(name(base), serde_json::from_value(told).expect("a base"));
        let node = json!({"machine": {"base": base, "cpu": "1", "memory": "1GiB"}});
        spec.nodes.insert(name(&format!("n-{base}")), serde_json::from_value(node).expect("a node"));
    }
    let emit = |spec: &Spec| {
        let fleet = Fleet { spec, units: &BTreeMap::new(), addresses: &BTreeMap::new() };
        emit(Target::Nix, spec, &compile(&fleet, &Placement::default()))
    };
    let tree = emit(&spec).expect("it can be written");
    let test = "a_node_can_start_from_a_configuration_of_a_flake_with_nix";
    if let Some(nix) = Nix::with(&tree, test) {
        let systems = nix.evaluate(&format!(
            r#"let
                  nixpkgs.lib = {LIB};
                  github-me-infra.nixosConfigurations."web.example" = {{
                    _module.specialArgs.inputs.disko = "theirs";
                    extendModules = {{ modules, specialArgs }}: {{
                      extended = map toString modules;
                      inputs = builtins.attrNames specialArgs.inputs;
                    }};
                  }};
                in (import ./flake.nix).outputs {{ self = {{ }}; inherit nixpkgs github-me-infra; }}"#
        ));
        let nodes = &systems["nixosConfigurations"];
        let file = |node: &str| json!([nix.path().join(format!("nodes/{node}.nix"))]);
        assert_eq!(nodes["n-plain"], file("n-plain"));
        assert_eq!(nodes["n-web"]["extended"], file("n-web"));
        assert_eq!(nodes["n-web"]["inputs"], json!(["disko", "github-me-infra", "nixpkgs", "self"]));
    }
    let base = spec.bases.get_mut("web").expect("a base");
    base.flake = Some(".#web".into());
    let error = emit(&spec).expect_err("a flake that is found only from beside it").to_string();
    assert!(error.contains("base web") && error.contains("whole path"), "{error}");
}

#[test]
fn options_within_each_other_are_left_to_nixos_to_merge_with_nix() {
    let mut spec = Spec::empty(name("c"));
    let base = json!({
        "packages": ["htop"],
        "nixos": {"a": {"x": 1}, "a.y": 2, "b.c": [1], "environment": {"systemPackages": []}, "environment.variables.EDITOR": "vi"},
    });
    spec.bases.insert(name("b"), serde_json::from_value(base).expect("a base"));
    let node = json!({"machine": {"base": "b", "cpu": "1", "memory": "1GiB"}});
    spec.nodes.insert(name("n"), serde_json::from_value(node).expect("a node"));
    let plans =
        compile(&Fleet { spec: &spec, units: &BTreeMap::new(), addresses: &BTreeMap::new() }, &Placement::default());
    let tree = emit(Target::Nix, &spec, &plans).expect("it can be written");
    let test = "options_within_each_other_are_left_to_nixos_to_merge_with_nix";
    let Some(nix) = Nix::with(&tree, test) else { return };
    let config = self::node(&nix, "n");
    assert_eq!(config["a"], json!({"x": 1, "y": 2}));
    assert_eq!(config["b"], json!({"c": [1]}));
    assert_eq!(config["environment"]["systemPackages"], json!(["/nix/store/htop"]));
    assert_eq!(config["environment"]["variables"], json!({"EDITOR": "vi"}));
}

/// The stand-in for NixOS's module system is ours; this holds it and the emitted modules against the real one.
#[test]
fn nixpkgs_own_module_system_agrees_with_nixpkgs() {
    let test = "nixpkgs_own_module_system_agrees_with_nixpkgs";
    let Some(nix) = Nix::with(&emitted(Target::Nix), test) else { return };
    let Some(nixpkgs) = nix.nixpkgs() else {
        skip(test, "nixpkgs is not on NIX_PATH");
        return;
    };
    for plan in plans(&shop(true)) {
        let by_nixpkgs =
            nix.evaluate(&format!("import ./test/evaluate.nix {{ node = \"{}\"; nixpkgs = {nixpkgs}; }}", plan.node));
        let ours = node(&nix, plan.node.as_str());
        for path in ["systemd", "icefield", "networking", "microvm", "virtualisation", "services", "boot"] {
            // The order in which modules are merged is not promised.
            assert_eq!(sorted(&by_nixpkgs[path]), sorted(&ours[path]), "{path} of {}", plan.node);
        }
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), sorted(field))).collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::from(items)
        }
        other => other.clone(),
    }
}

/// Texts that are hard to quote: what means something to Nix, to systemd or to JSON, between anything else.
fn hard_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${"),
        Just("''"),
        Just("$$"),
        Just("$"),
        Just("\\"),
        Just("\""),
        Just("'"),
        Just("%"),
        Just("%n"),
        Just("\n"),
        Just("\t"),
        Just("\r\n"),
        Just("}"),
        Just(";"),
        Just(" "),
        Just("#"),
        Just("/*"),
        Just("🧊"),
        Just("é"),
    ]
    .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![3 => piece, 1 => "[^\0]{0,5}"], 0..8).prop_map(|pieces| pieces.concat())
}

fn hard_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -3..3i64].prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no such number", |float| float.is_finite()).prop_map(Value::from),
        (-1e3..1e3f64).prop_map(Value::from),
        hard_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 60, 8, |inner| {
        let key = prop_oneof![hard_text(), Just("if".to_owned()), Just("or".to_owned()), "[a-z][a-z0-9_'-]{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..8).prop_map(|fields| json!(fields)),
        ]
    })
}

fn few(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

#[test]
fn any_option_is_what_the_user_wrote_with_nix() {
    if !Nix::is_here("any_option_is_what_the_user_wrote_with_nix") {
        return;
    }
    proptest!(few(48), |(values in prop::collection::vec(hard_value(), 1..12))| {
        let mut spec = Spec::empty(name("c"));
        let option: BTreeMap<String, Value> =
            values.iter().enumerate().map(|(at, value)| (format!("option.at.number{at}"), value.clone())).collect();
        let base = json!({"nixos": option});
        spec.bases.insert(name("b"), serde_json::from_value(base).expect("a base"));
        let tree = emit(Target::Nix, &spec, &[]).expect("JSON can be written in Nix");
        let text = tree.get("bases/b.nix").expect("the base is there");
        prop_assert!(rnix::Root::parse(text).errors().is_empty(), "{}", text);
        // Nix compares numbers exactly, while it writes floats with six digits.
        let nix = Nix::of(&tree);
        nix.write("expected.json", &serde_json::to_string(&values).expect("JSON"));
        let result = nix.evaluate(
            "let
              found = (import ./bases/b.nix { pkgs = { }; }).option.at;
              expected = builtins.fromJSON (builtins.readFile ./expected.json);
              at = n: found.\"number${toString n}\" == builtins.elemAt expected n;
            in builtins.genList at (builtins.length expected)",
        );
        prop_assert_eq!(result, Value::from(vec![true; values.len()]), "{}", text);
    });
}

#[test]
fn any_text_reaches_the_process_with_nix() {
    if !Nix::is_here("any_text_reaches_the_process_with_nix") {
        return;
    }
    let texts = || prop::collection::vec(hard_text(), 0..6);
    proptest!(few(48), |(values in texts(), arguments in texts())| {
        // systemd takes no other control characters in variables.
        let allowed = |text: &String| text.chars().filter(|c| !c.is_ascii_control() || "\n\t".contains(*c)).collect();
        let env: BTreeMap<String, String> =
            values.iter().enumerate().map(|(at, text)| (format!("V{at}"), allowed(text))).collect();
        let (spec, plans) = one(&env, &arguments);
        let tree = emit(Target::Nix, &spec, &plans).expect("texts can be written");
        let config = node(&Nix::of(&tree), "n");
        let unit = &config["systemd"]["services"]["icefield-s@0"];
        let argv = split(unit["serviceConfig"]["ExecStart"].as_str().expect("a text"), true);
        prop_assert_eq!(&argv[2..], &arguments[..]);
        for (variable, text) in &env {
            prop_assert_eq!(&unit["environment"][variable], &Value::from(text.replace('%', "%%")));
        }
    });
}
