//! What the nix target writes, as a NixOS user reads it.

mod common;

use common::{emitted, plans, shop};
use icefield_emit::{Target, emit};
use insta::assert_snapshot;

#[test]
fn every_file_but_those_of_replicas_is_nix_or_json() {
    for (path, text) in emitted(Target::Nix).iter().filter(|(path, _)| !path.starts_with("files/")) {
        if path.ends_with(".json") {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{path}");
        } else {
            let parsed = rnix::Root::parse(text);
            assert!(parsed.errors().is_empty(), "{path}: {:?}\n{text}", parsed.errors());
            assert!(path.ends_with(".nix") && text.ends_with('\n') && !text.contains(" \n"), "{path}");
        }
    }
}

#[test]
fn the_files_of_a_shop() {
    let tree = emitted(Target::Nix);
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
    assert_snapshot!(paths.join("\n"));
    for path in [
        "flake.nix",
        "bases/std.nix",
        "services/web.nix",
        "services/api.nix",
        "services/store.nix",
        "services/tricky.nix",
        "services/grafana.nix",
        "services/vault.nix",
        "services/migrate.nix",
        "services/report.nix",
        "services/ledger.nix",
        "nodes/metal-1.nix",
        "nodes/metal-2.nix",
        "nodes/workers-2.nix",
        "endpoints/api.json",
        "files/metal-2/ledger-0/conf/ledger.toml",
    ] {
        let text = tree.get(path).unwrap_or_else(|| panic!("there is no {path}"));
        assert_snapshot!(path.replace('/', "_"), text);
    }
}

#[test]
fn the_old_revision_of_a_rollout_has_a_file_of_its_own() {
    let tree = emitted(Target::Nix);
    let (path, text) = tree
        .iter()
        .find(|(path, _)| path.starts_with("services/web.") && *path != "services/web.nix")
        .expect("the revision before is still on a node");
    assert!(text.contains("name = \"web\";") && text.contains("GREETING = \"good day\";"), "{text}");
    let node = tree.get("nodes/metal-1.nix").expect("the node is there");
    assert!(node.contains(&format!("    ../{path}\n")) && node.contains("    ../services/web.nix\n"), "{node}");
}

#[test]
fn the_manifest_is_the_plan() {
    let spec = shop(true);
    let plans = plans(&spec);
    let tree = emit(Target::Nix, &spec, &plans).expect("the shop can be written");
    for plan in &plans {
        let text = tree.get(&format!("nodes/{}.json", plan.node)).expect("every node has a manifest");
        assert_eq!(&serde_json::from_str::<icefield_plan::NodePlan>(text).expect("a plan"), plan);
    }
}
