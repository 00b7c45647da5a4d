//! What the systemd target writes.

mod common;

use std::process::Command;

use common::unit_words::split;
use common::{emitted, expected, one, plans, shop, skip};
use icefield_emit::{EmitError, Target, Tree, emit};
use icefield_spec::Run;
use insta::assert_snapshot;
use proptest::prelude::*;

fn unit<'a>(tree: &'a Tree, node: &str, name: &str) -> &'a str {
    tree.get(&format!("nodes/{node}/systemd/system/{name}.service")).unwrap_or_else(|| panic!("{node} has no {name}"))
}

fn values<'a>(unit: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn the_files_of_a_shop() {
    let tree = emitted(Target::Systemd);
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
    assert_snapshot!(paths.join("\n"));
    assert_snapshot!("README", tree.get("README").expect("there is a README"));
    for (node, name) in [
        ("metal-1", "icefield-web@0"),
        ("metal-1", "icefield-api@0"),
        ("metal-2", "icefield-store@0"),
        ("metal-2", "icefield-cow@0"),
        ("workers-1", "icefield-tricky@0"),
        ("metal-1", "icefield-migrate@0"),
        ("metal-2", "icefield-report@0"),
        ("metal-2", "icefield-ledger@0"),
    ] {
        assert_snapshot!(name, unit(&tree, node, name));
    }
    let timer = tree.get("nodes/metal-2/systemd/system/icefield-report@0.timer").expect("there is a timer");
    assert_snapshot!("icefield-report@0.timer", timer);
    let mount = r"var-lib-icefield-volumes-ledger\x2d0-data.mount";
    let mount = tree.get(&format!("nodes/metal-2/systemd/system/{mount}")).expect("there is a mount");
    assert_snapshot!("ledger.mount", mount);
}

#[test]
fn every_replica_is_a_unit_with_its_command_and_variables() {
    let tree = emitted(Target::Systemd);
    for plan in plans(&shop(false)) {
        for id in plan.replicas.keys() {
            let text = unit(&tree, plan.node.as_str(), &format!("icefield-{}@{}", id.service, id.index));
            let (command, variables) = expected(&plan, id);
            let argv = split(values(text, "ExecStart").next().expect("there is one"), true);
            assert!(argv.ends_with(&command), "{argv:?}");
            let assigned: Vec<String> = values(text, "Environment").flat_map(|line| split(line, false)).collect();
            let wanted = variables.iter().map(|(name, value)| format!("{name}={value}"));
            let folder = format!("icefield/volumes/{}-{}", id.service, id.index);
            let volumes = plan.unit(id).expect("it is planned").unit.volumes.iter();
            let volumes = volumes.filter(|(_, volume)| volume.source.is_host()).map(|(name, _)| name);
            let mut folders: Vec<String> = volumes.map(|volume| format!("{folder}/{volume}")).collect();
            folders.extend((id.service.as_str() == "migrate").then(|| "icefield/jobs".to_owned()));
            assert_eq!(values(text, "StateDirectory").next().unwrap_or_default(), folders.join(" "));
            match plan.unit(id).expect("it is planned").unit.run {
                Run::Container { .. } => {
                    assert!(assigned.is_empty());
                    assert!(
                        wanted.map(|pair| format!("--env={pair}")).all(|option| argv.contains(&option)),
                        "{argv:?}"
                    );
                }
                _ => assert!(wanted.into_iter().all(|pair| assigned.contains(&pair)), "{assigned:?}"),
            }
        }
        let manifest = tree.get(&format!("nodes/{}/manifest.json", plan.node)).expect("every node has a manifest");
        assert_eq!(serde_json::from_str::<icefield_plan::NodePlan>(manifest).expect("a plan"), plan);
    }
}

#[test]
fn what_only_nixos_can_do_is_refused() {
    let spec = shop(true);
    let error = emit(Target::Systemd, &spec, &plans(&spec)).expect_err("there are NixOS services");
    assert!(matches!(error, EmitError::Unsupported { .. }));
    assert_snapshot!(error, @"service grafana is of the kind nixos, which the target systemd cannot express; the target nix can");
}

#[test]
fn systemd_finds_no_fault_with_systemd_analyze() {
    let test = "systemd_finds_no_fault_with_systemd_analyze";
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skip(test, "systemd-analyze not found");
        return;
    }
    let folder = tempfile::TempDir::new().expect("a folder for the test");
    let tree = emitted(Target::Systemd);
    // A timer is verified together with the unit that it starts.
    let files =
        || tree.iter().filter(|(path, _)| [".service", ".timer", ".mount"].iter().any(|end| path.ends_with(end)));
    for (path, text) in files() {
        std::fs::write(folder.path().join(path.rsplit('/').next().expect("it has a name")), text)
            .expect("it can be written");
    }
    for (path, text) in files() {
        let file = folder.path().join(path.rsplit('/').next().expect("it has a name"));
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&file)
            .output()
            .expect("systemd-analyze can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        let about_it: Vec<&str> = said.lines().filter(|line| line.contains("icefield-")).collect();
        assert!(output.status.success() && about_it.is_empty(), "{path}: {said}\n{text}");
    }
}

proptest! {
    #[test]
    fn any_text_reaches_the_process(
        values_wanted in prop::collection::vec("[^\\x00-\\x08\\x0b-\\x1f\\x7f]{0,12}", 0..5),
        arguments in prop::collection::vec("[^\\x00]{0,12}|[$%\\\\\"';{} \n]{0,6}", 0..5),
    ) {
        let env = values_wanted.iter().enumerate().map(|(at, text)| (format!("V{at}"), text.clone())).collect();
        let (spec, plans) = one(&env, &arguments);
        let tree = emit(Target::Systemd, &spec, &plans).expect("texts can be written");
        let text = unit(&tree, "n", "icefield-s@0");
        let argv = split(values(text, "ExecStart").next().expect("there is one"), true);
        prop_assert_eq!(&argv[..2], ["/usr/bin/env", "run"]);
        prop_assert_eq!(&argv[2..], &arguments[..]);
        let assigned: Vec<String> = values(text, "Environment").flat_map(|line| split(line, false)).collect();
        for (variable, value) in env {
            let pair = format!("{variable}={value}");
            prop_assert!(assigned.contains(&pair), "{} not in {:?}", pair, assigned);
        }
    }
}

#[test]
fn a_secret_is_named_by_the_place_where_it_is_and_nothing_else() {
    let (mut spec, mut plans) = one(&Default::default(), &[]);
    let secret = "key".parse().expect("a name");
    let unit = &mut spec.services.get_mut("s").expect("it is declared").unit;
    unit.secret_env.insert("KEY".into(), secret);
    let revision = unit.revision();
    for (replica, planned) in &mut plans[0].replicas {
        assert_eq!(replica.service, "s");
        planned.revision = revision;
    }
    plans[0].units = icefield_plan::units_of(&spec);
    let tree = emit(Target::Systemd, &spec, &plans).expect("it can be written");
    let text = self::unit(&tree, "n", "icefield-s@0");
    assert_eq!(values(text, "EnvironmentFile").collect::<Vec<_>>(), ["/run/icefield/secrets/s.env"]);
    assert!(!values(text, "Environment").any(|line| line.starts_with("KEY=")));
    let tree = emit(Target::Nix, &spec, &plans).expect("it can be written");
    let nix = tree.get("services/s.nix").expect("it is there");
    assert!(nix.contains("secretEnvironment = \"/run/icefield/secrets/s.env\";"), "{nix}");
}
