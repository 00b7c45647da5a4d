//! The commands that need no cluster.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{TestEnvironment, example};

const FILE: &str = r#"
cluster("c")
for n in range(3):
    node("n%d" % n, cpu = 2, memory = "1GiB", address = "10.0.0.%d" % (n + 1))
service("web", run = exec(["serve", "$PORT_HTTP"]), replicas = 3, ports = {"http": dynamic()}, spread = [spread("node")])
service("db", run = exec(["db", "--greeting", "${ICEFIELD_NODE} ''\"$$"]), memory = "128MiB")
"#;

/// Every file below a folder.
fn read(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn check_prints_a_spec_that_stands_for_the_file() {
    let environment = TestEnvironment::new();
    environment.write("icefield.star", FILE);
    let spec = environment.ok(["check", "--json"]);
    let json = environment.write("spec.json", &spec);
    assert_eq!(environment.ok(["check".as_ref(), json.as_os_str(), "--json".as_ref()]), spec);
    // By what it says, not only by its name.
    let other = environment.write("spec", &spec);
    assert_eq!(environment.ok(["check".as_ref(), other.as_os_str(), "--json".as_ref()]), spec);
    let summary = environment.ok(["check"]);
    assert!(summary.contains("cluster c, 3 nodes, 2 services with 4 replicas"), "{summary}");
    let both = [environment.run(["plan", "--json"]), environment.run(["plan", "spec.json", "--json"])];
    assert_eq!(both[0].stdout, both[1].stdout);
}

#[test]
fn plan_without_a_cluster_places_on_the_declared_machines() {
    let environment = TestEnvironment::new();
    environment.write("icefield.star", FILE);
    let outcome = environment.run(["plan", "--json"]);
    assert_eq!(outcome.code, Some(2), "{outcome:#?}");
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    let nodes: std::collections::BTreeSet<_> =
        report["placement"]["web"].as_object().unwrap().values().map(|node| node.as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 3);
    for field in ["kind", "name", "action", "reason"] {
        assert!(report["changes"][0][field].is_string(), "{report:#}");
    }
    assert!(report["unplaced"].as_array().unwrap().is_empty());
    let text = environment.run(["plan"]);
    assert!(text.stdout.contains("web/0  place on n"), "{}", text.stdout);
}

#[test]
fn compile_is_stable_and_a_change_changes_what_it_must() {
    let environment = TestEnvironment::new();
    for target in ["nix", "systemd"] {
        environment.write("icefield.star", FILE);
        let out = environment.path(target);
        let compile = |out: &Path| {
            environment.ok([
                "compile".as_ref(),
                "--target".as_ref(),
                target.as_ref(),
                "--out".as_ref(),
                out.as_os_str(),
            ]);
            read(out)
        };
        let first = compile(&out);
        assert_eq!(first, compile(&environment.path(&format!("{target}-again"))));
        environment.write("icefield.star", &FILE.replace("128MiB", "256MiB"));
        let second = compile(&out);
        let changed: Vec<&String> =
            second.iter().filter(|(path, text)| first.get(*path) != Some(text)).map(|(path, _)| path).collect();
        assert!(!changed.is_empty());
        let db_nodes: Vec<String> = (0..3)
            .map(|n| format!("n{n}"))
            .filter(|node| second.iter().any(|(path, text)| path.contains(node.as_str()) && text.contains("db")))
            .collect();
        assert_eq!(db_nodes.len(), 1, "db is on one node");
        assert!(changed.iter().all(|path| path.contains("db") || path.contains(&db_nodes[0])), "{changed:?}");
        // What is no longer declared goes; what is not ours stays out of it.
        environment
            .write("icefield.star", &FILE.replace("range(3)", "range(2)").replace("replicas = 3", "replicas = 2"));
        let third = compile(&out);
        assert!(third.keys().all(|path| !path.contains("n2")), "{:?}", third.keys());
    }
}

#[test]
fn compile_leaves_other_peoples_files_alone() {
    let environment = TestEnvironment::new();
    environment.write("icefield.star", FILE);
    environment.write("mine/precious.txt", "do not touch");
    let outcome = environment.run(["compile", "--target", "nix", "--out", "mine"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(read(&environment.path("mine")).len(), 1);
}

#[test]
fn compiled_nix_parses_with_nix() {
    let environment = TestEnvironment::new();
    environment.ok([
        "compile".as_ref(),
        example("shop").as_os_str(),
        "--target".as_ref(),
        "nix".as_ref(),
        "--out".as_ref(),
        environment.path("out").as_os_str(),
    ]);
    let files = read(&environment.path("out"));
    let nix: Vec<_> =
        files.keys().filter(|path| path.ends_with(".nix")).map(|path| environment.path("out").join(path)).collect();
    assert!(nix.len() > 8, "{nix:?}");
    let parsed = std::process::Command::new("nix-instantiate").arg("--parse").args(&nix).output();
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) if std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none() => {
            eprintln!("SKIPPED compiled_nix_parses_with_nix: nix-instantiate: {error}");
            return;
        }
        Err(error) => panic!("nix-instantiate: {error}"),
    };
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
}

#[test]
fn the_file_in_the_readme_is_valid() {
    let environment = TestEnvironment::new();
    let readme = fs::read_to_string(example("../README.md")).unwrap();
    let (_, after) = readme.split_once("```python\n").unwrap();
    environment.write("icefield.star", after.split_once("```").unwrap().0);
    assert_eq!(environment.run(["plan"]).code, Some(2));
}

#[test]
fn every_example_is_valid() {
    let environment = TestEnvironment::new();
    for name in ["hello", "shop", "fleet"] {
        let path = example(name);
        let plan = environment.run(["plan".as_ref(), path.as_os_str(), "--json".as_ref()]);
        assert_eq!(plan.code, Some(2), "{name}: {}", plan.stderr);
    }
}

#[test]
fn help_docs_and_completions_are_there() {
    let environment = TestEnvironment::new();
    assert!(environment.ok(["--help"]).contains("icefield dev examples/hello"));
    assert!(environment.ok(["docs"]).contains("service"));
    assert!(environment.ok(["docs", "service"]).contains("replicas"));
    assert!(environment.run(["docs", "servic"]).stderr.contains("did you mean service?"));
    for command in ["dev", "check", "plan", "apply", "status", "compile", "server", "agent"] {
        assert!(environment.ok([command, "--help"]).lines().count() > 8, "{command}");
    }
    assert!(environment.ok(["plan", "--help"]).contains("Exit code 0"));
    assert!(environment.ok(["docs", "--json"]).contains("\"parameters\""));
    for shell in ["bash", "zsh", "fish"] {
        assert!(environment.ok(["completions", shell]).contains("icefield"));
    }
    let language = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/language.md");
    let now = environment.ok(["docs", "--markdown"]);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&language, &now).unwrap();
    }
    let committed = fs::read_to_string(&language).unwrap_or_default();
    assert!(committed == now, "docs/language.md is out of date; UPDATE_SCHEMAS=1 cargo test writes it");
}
