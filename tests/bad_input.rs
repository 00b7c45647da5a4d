//! Whatever file is given: a clear error, exit code 1, in bounded time and memory.

mod common;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Outcome, TestEnvironment};

/// Checks a file that is bad; gives what was said of it.
fn refused(environment: &TestEnvironment, file: &str) -> String {
    let start = Instant::now();
    let outcome: Outcome = environment.run(["check", file]);
    assert_eq!(outcome.code, Some(1), "{file}: {outcome:#?}");
    assert!(outcome.stderr.starts_with("error"), "{file}: {outcome:#?}");
    assert!(!outcome.stderr.contains("panicked"), "{file}: {outcome:#?}");
    assert!(start.elapsed() < Duration::from_secs(60), "{file} took {:?}", start.elapsed());
    outcome.stderr
}

/// A file whose services are all that differ between cases.
fn with_service(service: &str) -> String {
    format!("cluster(\"c\")\nnode(\"n\", cpu = 2, memory = \"1GiB\", labels = {{\"zone\": \"a\"}})\n{service}\n")
}

#[test]
fn files_that_cannot_be_read() {
    let environment = TestEnvironment::new();
    assert!(refused(&environment, "missing.star").contains("missing.star"));
    fs::create_dir(environment.path("folder")).unwrap();
    assert!(refused(&environment, "folder").contains("icefield.star"));
    fs::create_dir(environment.path("trap.star")).unwrap();
    refused(&environment, "trap.star");
    fs::write(environment.path("junk.star"), [0u8, 159, 146, 150, 255, 0, 1]).unwrap();
    refused(&environment, "junk.star");
    fs::write(environment.path("junk.json"), [0u8, 159, 146, 150, 255]).unwrap();
    refused(&environment, "junk.json");
    for pipe in ["pipe.star", "pipe.json"] {
        // Nobody ever writes to it: whoever opened it would wait for ever.
        assert!(Command::new("mkfifo").arg(environment.path(pipe)).status().unwrap().success());
        refused(&environment, pipe);
    }
    let huge = fs::File::create(environment.path("huge.star")).unwrap();
    huge.set_len(100 << 20).unwrap();
    assert!(refused(&environment, "huge.star").contains("MiB"));
    environment.write("empty.star", "");
    assert!(refused(&environment, "empty.star").contains("cluster("));
    environment.write("unfinished.star", "cluster(\"c\"");
    refused(&environment, "unfinished.star");
    environment.write("half.json", "{\"schema\": 1, \"cluster\": \"c\"");
    refused(&environment, "half.json");
    environment.write("other.json", "{\"schema\": 1, \"cluster\": \"c\", \"servces\": {}}");
    assert!(refused(&environment, "other.json").contains("servces"));
}

#[test]
fn files_that_do_not_end() {
    let environment = TestEnvironment::new();
    environment.write("recursion.star", "def f(n):\n    return f(n + 1)\nf(0)\n");
    refused(&environment, "recursion.star");
    environment.write("loop.star", "def f():\n    for i in range(1000000000):\n        pass\nf()\n");
    refused(&environment, "loop.star");
    environment.write("memory.star", "def f():\n    x = \"x\" * (1 << 40)\nf()\n");
    refused(&environment, "memory.star");
    environment.write("doubling.star", "def f():\n    l = [1]\n    for i in range(60):\n        l = l + l\nf()\n");
    refused(&environment, "doubling.star");
    environment.write("deep.star", &format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000)));
    refused(&environment, "deep.star");
    environment.write("a.star", "load(\"b.star\", \"b\")\na = 1\n");
    environment.write("b.star", "load(\"a.star\", \"a\")\nb = 1\n");
    let said = refused(&environment, "a.star");
    assert!(said.contains("b.star"), "{said}");
}

#[test]
fn declarations_that_contradict() {
    let environment = TestEnvironment::new();
    let run = "run = exec([\"true\"])";
    let cases = [
        (format!("service(\"web\", {run})\nservice(\"web\", {run})"), "web"),
        (format!("service(\"web\", {run}, ports = {{\"a\": 80, \"b\": 80}})"), "80"),
        (format!("service(\"web\", {run}, memory = \"-5MiB\")"), "negative"),
        (format!("service(\"web\", {run}, cpu = -1)"), "negative"),
        (format!("service(\"web\", {run}, memory = \"5 parsecs\")"), "parsecs"),
        (format!("service(\"web\", {run}, memory = \"99999999999TiB\")"), "too large"),
        (format!("service(\"web\", {run}, replicas = 10000000)"), "10000000"),
        (format!("service(\"web\", {run}, replicas = -1)"), "-1"),
        (format!("service(\"web\", {run}, spread = [spread(\"rack\")])"), "rack"),
        (format!("service(\"web\", {run}, spread = [spread(\"zone\", max = 0)])"), "zone"),
        (format!("service(\"web\", {run}, replica = 3)"), "replicas"),
        ("service(\"web\")".to_owned(), "run"),
        ("service(\"Web!\", run = exec([\"true\"]))".to_owned(), "Web!"),
    ];
    for (number, (service, expected)) in cases.iter().enumerate() {
        let name = format!("case-{number}.star");
        environment.write(&name, &with_service(service));
        let said = refused(&environment, &name);
        assert!(said.contains(expected), "{service}: {said}");
        assert!(said.contains(&format!("{name}:")), "no place is named: {said}");
    }
}

#[test]
fn services_that_no_node_can_hold() {
    let environment = TestEnvironment::new();
    let cases = [
        ("service(\"big\", run = exec([\"true\"]), memory = \"64GiB\")", "memory"),
        ("service(\"wide\", run = exec([\"true\"]), replicas = 3, spread = [spread(\"node\", max = 1)])", "spread"),
        ("service(\"fixed\", run = exec([\"true\"]), replicas = 2, ports = {\"http\": 8080})", "port 8080"),
    ];
    for (service, rule) in cases {
        environment.write("icefield.star", &with_service(service));
        let outcome = environment.run(["plan", "icefield.star", "--json"]);
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        let reasons = report["unplaced"][0]["reasons"].as_array().unwrap();
        let found = reasons.iter().find(|reason| reason["rule"].as_str().unwrap().contains(rule));
        let reason = found.unwrap_or_else(|| panic!("{rule}: {reasons:?}"));
        assert!(reason["nodes"].as_u64().unwrap() >= 1);
        assert!(!reason["fix"].as_str().unwrap().is_empty());
        let allowed = environment.run(["plan", "icefield.star", "--allow-unplaced"]);
        assert_eq!(allowed.code, Some(2), "{allowed:#?}");
        let compiled = environment.run(["compile", "icefield.star", "--target", "nix", "--out", "out"]);
        assert_eq!(compiled.code, Some(1), "{compiled:#?}");
    }
}

#[test]
fn a_file_with_more_nodes_than_a_laptop_holds() {
    let environment = TestEnvironment::new();
    environment.write("icefield.star", "cluster(\"c\")\npool(\"p\", count = 5000, cpu = 1, memory = \"1GiB\")\n");
    let outcome = environment.run(["dev", "icefield.star"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("5000") && outcome.stderr.contains("--sample"), "{outcome:#?}");
}

#[test]
fn options_that_make_no_sense() {
    let environment = TestEnvironment::new();
    let file = environment.write("icefield.star", "cluster(\"c\")\n");
    let run = |arguments: &[&str]| {
        let outcome =
            environment.run(arguments.iter().map(|argument| argument.replace("FILE", &file.to_string_lossy())));
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        outcome.stderr
    };
    assert!(run(&["check", "FILE", "-D", "nothing"]).contains("-D replicas=8"));
    assert!(run(&["compile", "FILE", "--target", "helm", "--out", "x"]).contains("nix"));
    assert!(run(&["status"]).contains("icefield dev"));
    assert!(run(&["status", "--server", "ftp://x"]).contains("https://"));
    assert!(run(&["status", "--server", "http://127.0.0.1:1"]).contains("127.0.0.1:1"));
    assert!(run(&["dev", "FILE"]).contains("no node"));
    run(&["frobnicate"]);
}
