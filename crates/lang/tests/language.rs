//! Files that are right: what they give.

mod common;

use common::{rendered, run};
use icefield_spec::{Bytes, Cpu, Millis, Port, Run, Spec, Update};

fn good(text: &str) -> Spec {
    given(text, &[])
}

fn given(text: &str, vars: &[(&str, &str)]) -> Spec {
    let evaluation = run(text, vars);
    assert!(evaluation.diagnostics.is_empty(), "{}", rendered(&evaluation));
    evaluation.spec.unwrap()
}

#[test]
fn the_example_of_the_design() {
    let spec = good(include_str!("design.star"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&spec).unwrap());
}

#[test]
fn all_that_placement_needs() {
    let spec = good(include_str!("placing.star"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&spec).unwrap());
    // What the JSON says is what was declared.
    assert_eq!(Spec::from_json(&spec.canonical_json()), Ok(spec));
}

#[test]
fn a_daemon_has_no_number_of_replicas() {
    let spec = good("cluster('c')\nservice('log', run = exec(['true']), daemon = True, replicas = None)\n");
    assert_eq!((spec.services["log"].daemon, spec.services["log"].replicas), (true, 0));
}

#[test]
fn a_singleton_is_part_of_what_runs() {
    let spec = good(
        "cluster('c')\nservice('one', run = exec(['true']), singleton = True)\nservice('web', run = exec(['true']))\n",
    );
    assert!(spec.services["one"].unit.singleton && !spec.services["web"].unit.singleton);
    assert_ne!(spec.services["one"].revision(), spec.services["web"].revision());
}

#[test]
fn a_service_has_defaults() {
    let spec = good("cluster('c')\nservice('web', run = exec(['true']))\n");
    let service = &spec.services["web"];
    assert_eq!(service.replicas, 1);
    assert_eq!((service.unit.cpu, service.unit.memory), (Cpu::from_millis(100), Bytes::new(64 << 20)));
    assert_eq!(service.update, Update::default());
    assert_eq!(service.unit.health, None);
}

#[test]
fn quantities_are_text_or_numbers() {
    let spec = good("cluster('c')\nservice('a', run = exec(['true']), cpu = 0.5, memory = 1048576, stop_grace = 5)\n");
    let unit = &spec.services["a"].unit;
    assert_eq!(
        (unit.cpu, unit.memory, unit.stop_grace),
        (Cpu::from_millis(500), Bytes::new(1 << 20), Millis::new(5_000))
    );
}

#[test]
fn a_bare_number_is_a_fixed_port() {
    let spec =
        good("cluster('c')\nservice('a', run = exec(['true']), ports = {'a': 80, 'b': fixed(81), 'c': dynamic()})\n");
    let ports: Vec<Port> = spec.services["a"].unit.ports.values().copied().collect();
    assert_eq!(ports, [Port::Fixed(80), Port::Fixed(81), Port::Dynamic]);
}

#[test]
fn every_kind_of_run() {
    let spec = good(
        "cluster('c')
m = nix_text('m', '{ }')
service('a', run = exec(['true']))
service('b', run = nix('redis', ['redis-server']))
service('c', run = nixos([m]))
service('d', run = container('docker.io/library/nginx:1'))
service('e', run = container('docker.io/library/nginx:1', command = ['nginx']))
service('f', run = microvm([m]))
",
    );
    let kinds: Vec<&str> = spec.services.values().map(|service| service.unit.run.kind()).collect();
    assert_eq!(kinds, ["exec", "nix", "nixos", "container", "container", "microvm"]);
}

#[test]
fn none_means_nothing_given() {
    let text = "cluster('c')\nservice('a', run = exec(['true']), health = None, replicas = None, ports = None)\n";
    assert_eq!(good(text), good("cluster('c')\nservice('a', run = exec(['true']))\n"));
}

#[test]
fn files_load_each_other_by_relative_paths() {
    let spec = good(
        "load('lib/web.star', 'web', size = 'BIG')
cluster('c')
web('a', size)
# file: lib/web.star
load('../common.star', 'COMMAND')
load('sizes.star', 'SIZE')
BIG = SIZE * 3
def web(name, replicas):
    service(name, run = exec(COMMAND), replicas = replicas)
# file: lib/sizes.star
SIZE = 1
# file: common.star
COMMAND = ['true']
",
    );
    assert_eq!(spec.services["a"].replicas, 3);
    assert_eq!(spec.services["a"].unit.run, Run::Exec { command: vec!["true".into()] });
}

#[test]
fn a_nix_file_is_relative_to_the_file_that_names_it() {
    let spec = good(
        "load('lib/base.star', 'make')
cluster('c')
make()
# file: lib/base.star
def make():
    base('b', modules = [nix_file('b.nix')])
# file: lib/b.nix
{ here = true; }
",
    );
    let module = &spec.bases["b"].modules[0];
    assert_eq!((module.name.as_str(), module.text.as_str()), ("b.nix", "{ here = true; }\n"));
}

#[test]
fn variables_take_the_type_of_their_default() {
    let text = "cluster('c')
if var('on', default = True):
    service(var('name', default = 'web'), run = exec(['true']), replicas = var('n', default = 1),
        cpu = var('cpu', default = 0.5), memory = var('memory', default = None))
";
    assert_eq!(good(text).services["web"].replicas, 1);
    let spec = given(text, &[("n", "3"), ("name", "api"), ("cpu", "2"), ("memory", "1GiB"), ("on", "true")]);
    let service = &spec.services["api"];
    assert_eq!(
        (service.replicas, service.unit.cpu, service.unit.memory),
        (3, Cpu::from_millis(2000), Bytes::new(1 << 30))
    );
    let off = run(text, &[("on", "false")]);
    assert!(off.spec.unwrap().services.is_empty(), "{:?}", off.diagnostics);
}

#[test]
fn starlark_is_all_there() {
    let spec = good(
        "cluster('c')
settings = json.decode('{\"shards\": [1, 2]}')
def shard(s):
    service(s.name, run = exec(['true']), env = {'N': '%d' % s.number})
[shard(struct(name = f'shard-{n}', number = n)) for n in settings['shards']]
for zone in sorted({'b': 1, 'a': 2}):
    node('n-' + zone, cpu = 1, memory = '1GiB', labels = {'zone': zone})
",
    );
    let name =
        |names: Vec<&icefield_spec::Name>| names.into_iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(name(spec.services.keys().collect()), ["shard-1", "shard-2"]);
    assert_eq!(name(spec.nodes.keys().collect()), ["n-a", "n-b"]);
}

#[test]
fn nixos_options_are_any_value() {
    let spec = good("cluster('c')\nbase('b', nixos = {'a.b': {'c': [1, 2.5, True, None, 'x', (3,)]}})\n");
    let option = serde_json::to_string(&spec.bases["b"].nixos["a.b"]).unwrap();
    assert_eq!(option, r#"{"c":[1,2.5,true,null,"x",[3]]}"#);
}

#[test]
fn what_is_printed_is_kept() {
    let evaluation = run("cluster('c')\nprint('a', 1)\nprint('b')\n", &[]);
    assert_eq!(evaluation.notes, ["a 1", "b"]);
}

#[test]
fn there_is_no_clock_no_network_and_no_environment() {
    for name in ["time", "open", "getenv", "os", "random", "breakpoint", "debug"] {
        let evaluation = run(&format!("cluster('c')\nx = {name}\n"), &[]);
        assert!(rendered(&evaluation).contains(&format!("unknown name {name:?}")), "{name}");
    }
}

#[test]
fn an_evaluation_survives_json() {
    for text in [include_str!("design.star"), "cluster('c')\nservice('a', rum = 1)\nservice('a')\n", "("] {
        let evaluation = run(text, &[("unread", "1")]);
        let text = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<icefield_lang::Evaluation>(&text).unwrap(), evaluation);
    }
}
