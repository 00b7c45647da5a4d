//! A small shop: every kind of service, a rollout under way, and values that are hard to write.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod nix;
pub(crate) mod unit_words;

use std::collections::BTreeMap;

use icefield_emit::{Target, Tree, emit};
use icefield_placement::{Assignment, Placement, ReplicaId};
use icefield_plan::{Fleet, NodePlan, PlannedUnit, compile, units_of};
use icefield_spec::{Name, ReplicaContext, Spec, expand, replica_variables};
use serde_json::json;

/// Says that a test is skipped, and why.
#[expect(clippy::print_stderr, reason = "a test that is skipped in silence would pass for one that passed")]
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
}

/// What plain units can express of the shop.
pub(crate) const SHOP: &str = r#"{
  "schema": 1, "cluster": "shop",
  "bases": {
    "std": {
      "packages": ["htop", "python3Packages.requests"],
      "time": {"kind": "ntp", "servers": ["0.pool.ntp.org", "1.pool.ntp.org"]},
      "nixos": {
        "networking.firewall.allowedTCPPorts": [22],
        "services.openssh": {"enable": true, "settings": {"PermitRootLogin": "prohibit-password"}},
        "environment.systemPackages": []
      },
      "modules": [{"name": "base.nix", "text": "{ lib, ... }:\n{\n  boot.loader.grub.device = lib.mkDefault \"/dev/sda\";\n}\n"}]
    }
  },
  "nodes": {
    "metal-1": {"address": "10.0.0.11", "machine": {"base": "std", "cpu": "8", "memory": "32GiB"}},
    "metal-2": {"address": "10.0.0.12", "machine": {"cpu": "8", "memory": "32GiB", "system": "aarch64-linux"}}
  },
  "pools": {"workers": {"count": 2, "machine": {"base": "std", "cpu": "4", "memory": "8GiB"}}},
  "services": {
    "web": {"replicas": 3, "unit": {
      "run": {"kind": "exec", "command": ["python3", "-m", "http.server", "$PORT_HTTP", "--bind=${ICEFIELD_ADDRESS}"]},
      "cpu": "500m", "memory": "256MiB", "ports": {"http": "dynamic"}, "uses": ["api"], "stop_grace": "0s",
      "env": {"GREETING": "100% \"hello\" from $ICEFIELD_NODE", "PLAIN": "yes"},
      "health": {"probe": {"kind": "http", "path": "/", "port": "http"}}}},
    "api": {"replicas": 2, "unit": {
      "run": {"kind": "nix", "package": "github:shop/api#server", "command": ["api-server", "--listen", ":$PORT_GRPC", "--data=$VOLUME_WRITE_LOG"]},
      "cpu": "1", "memory": "1GiB", "volumes": {"cache": {}, "write-log": {}}, "ports": {"grpc": "dynamic", "raft-rpc": {"fixed": 7000}}, "uses": ["store"],
      "health": {"probe": {"kind": "tcp", "port": "grpc"}, "interval": "500ms"}}},
    "store": {"replicas": 1, "unit": {
      "run": {"kind": "container", "image": "docker.io/library/redis:7", "command": ["redis-server", "--port", "$PORT_REDIS"]},
      "cpu": "250m", "memory": "512MiB", "ports": {"redis": {"fixed": 6379}}, "uses": ["web"], "volumes": {"data": {"size": "1GiB"}}, "env": {"QUOTE": "it's $$5"},
      "files": {
        "/etc/redis.conf": {"content": {"kind": "text", "text": "save 60 1\n"}, "mode": "0644"},
        "/run/secrets/acl": {"content": {"kind": "secret", "secret": "acl"}, "mode": "0400"}}}},
    "tricky": {"replicas": 1, "unit": {
      "run": {"kind": "exec", "command": ["/opt/my app/run", "", ";", "%h", "$$HOME", "''$${x}", "a\"b\\c\nd\te", "grüße 🧊", "$TRICK$$", "`id`"]},
      "cpu": "0", "memory": "1MiB",
      "env": {"TRICK": "''$${not} $${ICEFIELD_NODE} \\ \" %n\nsecond line\ttab 🧊 '", "PATH": "/opt/bin:%t", "or": "${ICEFIELD_INDEX}"}}},
    "cow": {"replicas": 1, "unit": {
      "run": {"kind": "nix", "package": "cowsay", "command": ["cowsay", "moo"]}, "cpu": "10m", "memory": "16MiB"}},
    "ledger": {"replicas": 1, "unit": {
      "run": {"kind": "exec", "command": ["ledger", "$VOLUME_DATA", "--config=$FILE_CONF_LEDGER_TOML", "--key=$FILE_TLS_KEY_PEM", "--store=$STORE_HOST:$STORE_PORT_REDIS"]}, "cpu": "10m", "memory": "16MiB",
      "uses": ["store"],
      "files": {
        "conf/ledger.toml": {"content": {"kind": "template", "template": "node = \"{{ node }}/{{ index }}\"\nstore = \"{{ env.STORE_HOST }}\"\ndata = \"{{ volumes.data }}\"\n"}, "mode": "0640"},
        "motd": {"content": {"kind": "text", "text": "hello ${x} '' %h\n"}, "mode": "0644"},
        "tls/key.pem": {"content": {"kind": "secret", "secret": "tls-key"}, "mode": "0400"}},
      "volumes": {"data": {"source": {"kind": "nfs", "server": "10.0.0.5", "path": "/export/ledger", "options": "vers=4.2,hard"}}, "log": {}}}}
  },
  "jobs": {
    "migrate": {"retries": 2, "deadline": "10m", "after": ["store"], "unit": {
      "run": {"kind": "exec", "command": ["migrate", "--all"]}, "cpu": "100m", "memory": "64MiB", "env": {"STEP": "1"}}},
    "report": {"schedule": {"cron": "30 3 1 * mon-fri", "timezone": "Europe/Berlin"}, "unit": {
      "run": {"kind": "nix", "package": "cowsay", "command": ["cowsay", "report"]}, "cpu": "100m", "memory": "64MiB"}}
  }
}"#;

/// The services that need NixOS.
const NIXOS: &str = r#"{
    "grafana": {"replicas": 1, "unit": {
      "run": {"kind": "nixos", "modules": [{"name": "grafana.nix", "text": "{ config, ... }:\n{\n  services.grafana.settings.server.http_port = config.icefield.services.grafana.replicas.\"0\".ports.http;\n}\n"}]},
      "cpu": "100m", "memory": "128MiB", "ports": {"http": {"fixed": 3000}}}},
    "vault": {"replicas": 1, "unit": {
      "run": {"kind": "microvm", "modules": [{"name": "guests/vault.nix", "text": "{ services.vault.enable = true; }\n"}]},
      "cpu": "1500m", "memory": "600MiB", "ports": {"api": "dynamic"}, "volumes": {"keys": {}}, "uses": ["store"], "env": {"LEVEL": "100%"}}}
}"#;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn spec(text: &str) -> Spec {
    let mut spec = Spec::from_json(text).unwrap_or_else(|problems| panic!("the spec is valid: {problems:?}"));
    spec.fill_in_ports();
    spec
}

/// The shop for plain units, and with `nixos` the rest of it.
pub(crate) fn shop(nixos: bool) -> Spec {
    let mut json: serde_json::Value = serde_json::from_str(SHOP).expect("JSON");
    if nixos {
        let more: serde_json::Value = serde_json::from_str(NIXOS).expect("JSON");
        for (service, declared) in more.as_object().expect("an object") {
            json["services"][service] = declared.clone();
        }
    }
    spec(&json.to_string())
}

/// A replica, its node and its ports.
type Placed = (&'static str, u32, &'static str, &'static [(&'static str, u16)]);

/// Where the shop's replicas are; `web/2` is still at the revision before.
const PLACED: [Placed; 13] = [
    ("web", 0, "metal-1", &[("http", 20_000)]),
    ("web", 1, "workers-1", &[("http", 20_000)]),
    ("web", 2, "metal-1", &[("http", 20_001)]),
    ("api", 0, "metal-1", &[("grpc", 20_002), ("raft-rpc", 7000)]),
    ("api", 1, "metal-2", &[("grpc", 20_000), ("raft-rpc", 7000)]),
    ("store", 0, "metal-2", &[("redis", 6379)]),
    ("tricky", 0, "workers-1", &[]),
    ("cow", 0, "metal-2", &[]),
    ("grafana", 0, "metal-2", &[("http", 3000)]),
    ("vault", 0, "metal-2", &[("api", 20_001)]),
    ("ledger", 0, "metal-2", &[]),
    ("migrate", 0, "metal-1", &[]),
    ("report", 0, "metal-2", &[]),
];

pub(crate) fn plans(spec: &Spec) -> Vec<NodePlan> {
    let mut units = units_of(spec);
    let mut before = spec.services["web"].unit.clone();
    before.env.insert("GREETING".into(), "good day".into());
    let old = before.revision();
    units.insert(old, PlannedUnit { service: name("web"), unit: before.into() });
    let placement: Placement = PLACED
        .iter()
        .filter(|(service, ..)| spec.services.contains_key(*service) || spec.jobs.contains_key(*service))
        .map(|(service, index, node, ports)| {
            let ports = ports.iter().map(|(port, number)| (name(port), *number)).collect();
            let is_old = *service == "web" && *index == 2;
            let revision = match spec.jobs.get(*service) {
                Some(job) => job.revision(),
                None if is_old => old,
                None => spec.services[*service].revision(),
            };
            (ReplicaId::new(name(service), *index), Assignment { node: name(node), revision, ports })
        })
        .collect();
    compile(&Fleet { spec, units: &units, addresses: &BTreeMap::new() }, &placement)
}

pub(crate) fn emitted(target: Target) -> Tree {
    let spec = shop(target == Target::Nix);
    let plans = plans(&spec);
    emit(target, &spec, &plans).expect("the shop can be written")
}

/// The argv and the variables that a replica must have, straight from the spec.
pub(crate) fn expected(plan: &NodePlan, id: &ReplicaId) -> (Vec<String>, BTreeMap<String, String>) {
    let replica = &plan.replicas[id];
    let unit = &plan.units[&replica.revision].unit;
    let volumes = format!("/var/lib/icefield/volumes/{}-{}", id.service, id.index);
    let files = format!("/etc/icefield/files/{}-{}", id.service, id.index);
    let credentials = format!("/run/credentials/icefield-{}@{}.service", id.service, id.index);
    let context = ReplicaContext {
        cluster: &plan.cluster,
        service: &id.service,
        index: id.index,
        node: &plan.node,
        address: &plan.address,
        revision: &replica.revision,
        ports: &replica.ports,
        endpoints: "/etc/icefield/endpoints",
        volumes: &volumes,
        files: &files,
        credentials: Some(&credentials),
    };
    let variables = replica_variables(unit, &context).expect("the references are good");
    let argument = |text: &String| expand(text, &|name| variables.get(name).cloned()).expect("the references are good");
    (unit.run.command().iter().map(argument).collect(), variables)
}

/// A cluster of one node and one service.
pub(crate) fn one(env: &BTreeMap<String, String>, arguments: &[String]) -> (Spec, Vec<NodePlan>) {
    let literal = |text: &String| text.replace('$', "$$");
    let env: BTreeMap<_, _> = env.iter().map(|(name, value)| (name, literal(value))).collect();
    let command: Vec<String> = std::iter::once("run".into()).chain(arguments.iter().map(literal)).collect();
    let spec = spec(
        &json!({
            "schema": 1, "cluster": "c",
            "nodes": {"n": {"machine": {"cpu": "1", "memory": "1GiB"}}},
            "services": {"s": {"replicas": 1, "unit": {
                "run": {"kind": "exec", "command": command}, "cpu": "1", "memory": "1MiB", "env": env}}}
        })
        .to_string(),
    );
    let assignment = Assignment { node: name("n"), revision: spec.services["s"].revision(), ports: BTreeMap::new() };
    let placement: Placement = [(ReplicaId::new(name("s"), 0), assignment)].into_iter().collect();
    let plans = compile(&Fleet { spec: &spec, units: &units_of(&spec), addresses: &BTreeMap::new() }, &placement);
    (spec, plans)
}
