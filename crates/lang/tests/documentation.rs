//! What the documentation shows is what works.

mod common;

use common::{rendered, run};
use icefield_lang::docs;

const SURROUNDINGS: &str = "
node(\"surroundings\", cpu = 1, memory = \"1GiB\", labels = {\"zone\": \"a\", \"disk\": \"ssd\", \"generation\": \"3\"},
    resources = {\"gpu\": 1, \"disk\": \"1TiB\"}, taints = [\"gpu\"])
service(\"db\", run = exec([\"true\"]))
service(\"batch\", run = exec([\"true\"]))
# file: base.nix
{ }
# file: web.nix
{ }
# file: guest.nix
{ }
# file: nginx.conf.j2
listen {{ ports.http }};
";

fn works(name: &str, text: &str) {
    let cluster = if name == "cluster" { "" } else { "cluster(\"c\")\n" };
    let base = if name == "base" { "" } else { "base(\"std\")\n" };
    let namespace = if name == "namespace" { "" } else { "namespace(\"team-a\")\n" };
    let has_job = text.contains("job(\"migrate\", run");
    let job = if has_job { "" } else { "job(\"migrate\", run = exec([\"true\"]))\n" };
    let evaluation = run(&format!("{cluster}{base}{namespace}{job}{text}{SURROUNDINGS}"), &[]);
    assert!(evaluation.spec.is_some() && evaluation.diagnostics.is_empty(), "{}", rendered(&evaluation));
}

#[test]
fn every_example_works() {
    let service = docs().into_iter().find(|function| function.name == "service").unwrap();
    for function in docs() {
        let argument = function.example.split_once(" = ").map(|(name, _)| name);
        let argument = service.parameters.iter().find(|parameter| argument == Some(parameter.name));
        match argument.map(|parameter| parameter.name) {
            Some("ports") => {
                works(function.name, &format!("service(\"web\", run = exec([\"true\"]), {})", function.example))
            }
            Some(_) => {
                let ports = "ports = {\"http\": dynamic(), \"redis\": dynamic(), \"pg\": dynamic()}";
                works(
                    function.name,
                    &format!("service(\"web\", run = exec([\"true\"]), {ports}, {})", function.example),
                );
            }
            None => works(function.name, function.example),
        }
    }
}

#[test]
fn every_parameter_takes_what_it_says_it_takes() {
    // A daemon has neither a number of replicas nor a spread, and is no singleton; a flake brings its own nixpkgs; and of two
    // ways to say the same, one is enough.
    let excluded: [&[&str]; 2] =
        [&["daemon", "percent", "confirm", "flake"], &["replicas", "spread", "singleton", "count", "hold", "nixpkgs"]];
    for function in docs() {
        for excluded in excluded {
            let is_excluded = |name| excluded.contains(&name) && (function.name, name) != ("pool", "count");
            let given = function.parameters.iter().filter(|parameter| !is_excluded(parameter.name));
            let arguments: Vec<String> =
                given.map(|parameter| format!("{} = {}", parameter.name, parameter.kind)).collect();
            works(function.name, &format!("x = {}({})", function.name, arguments.join(", ")));
        }
    }
}

#[test]
fn every_default_means_the_same_as_nothing() {
    for function in docs() {
        let with = |defaults: bool| {
            let arguments = function.parameters.iter().filter_map(|parameter| match parameter.default {
                None => Some(format!("{} = {}", parameter.name, parameter.kind)),
                // Without it, the call means another one.
                Some(_) if (function.name, parameter.name) == ("job", "run") => {
                    Some(format!("run = {}", parameter.kind))
                }
                Some(default) if defaults && default != "…" => Some(format!("{} = {default}", parameter.name)),
                Some(_) => None,
            });
            let arguments: Vec<String> = arguments.collect();
            let call = format!("{}({})", function.name, arguments.join(", "));
            let used = match function.name {
                "http" | "tcp" | "command" => {
                    format!("service(\"web\", run = exec([\"true\"]), ports = {{\"http\": 1}}, health = {call})")
                }
                "prefer" | "spread" => {
                    format!("service(\"web\", run = exec([\"true\"]), {} = [{call}])", function.name)
                }
                "rolling" | "canary" | "blue_green" => {
                    format!("service(\"web\", run = exec([\"true\"]), update = {call})")
                }
                "near" => format!("service(\"web\", run = exec([\"true\"]), keep_with = [{call}])"),
                "volume" => format!("service(\"web\", run = exec([\"true\"]), volumes = {{\"data\": {call}}})"),
                "balance" => format!("placement(balance = [{call}])"),
                "cron" => format!("job(\"report\", run = exec([\"true\"]), schedule = {call})"),
                "container" => format!("service(\"web\", run = {call})"),
                _ => call,
            };
            let evaluation = run(&format!("cluster(\"c\")\n{used}{SURROUNDINGS}"), &[]);
            (rendered(&evaluation), evaluation.spec)
        };
        assert_eq!(with(true), with(false), "{}", function.name);
    }
}

#[test]
fn the_reference_reads_well() {
    let mut text = String::new();
    for function in docs() {
        text += &format!("{}\n    {}\n", function.signature(), function.summary);
        for parameter in function.parameters {
            text += &format!("    {}: {} (like {})\n", parameter.name, parameter.summary, parameter.kind);
        }
        text += &format!("    {}\n\n", function.example.replace('\n', "\n    "));
    }
    insta::assert_snapshot!(text);
}
