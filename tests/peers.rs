//! Nodes that get closures from each other: real servers and agents with certificates, and the real Nix, with a store for each.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::all_healthy;
use common::secure::{SecureCluster, fetch, wait_for};
use icefield_api::{Http, HttpOptions, IdentityFolder, Keyring};
use icefield_pki::{Expect, nobody_config};
use icefield_spec::Name;
use serde_json::Value;

/// A service on every node, with a program that needs another path of the store.
const FILE: &str = r#"
cluster("shop")
for number in range(1, int(var("nodes")) + 1):
    node("n%d" % number, cpu = 2, memory = "1GiB", labels = {"zone": "a" if number < 3 else "b"})
TEXT = """
let
  make = name: script: derivation {
    inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; PATH = "/bin:/usr/bin";
  };
  data = make "data" "mkdir $out; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done > $out/data";
in make "web" "mkdir -p $out/bin; printf '#!/bin/sh\n# ${data}\nexec sleep 1000\n' > $out/bin/web; chmod +x $out/bin/web"
"""
service("web", daemon = True, cpu = "10m", memory = "16MiB",
    run = nix(nix_text("web", TEXT), ["web"]),
    update = rolling(healthy_for = "100ms", deadline = "60s"))
"#;

const CONFIG: &str = "sandbox = false\nbuild-users-group =\nsubstituters =\n";

/// A binary cache that is served by a process.
struct Origin {
    process: Child,
    url: String,
}

impl Origin {
    fn start(cluster: &SecureCluster, folder: &Path) -> Self {
        let mut command = cluster.environment.command();
        command.args(["cache", "serve", "--listen", "127.0.0.1:0", "--dir"]).arg(folder);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("serving on ").unwrap().to_owned();
        Self { process, url }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Shop {
    cluster: SecureCluster,
    trusted: String,
    file: PathBuf,
}

impl Shop {
    /// Nothing where there is no Nix, which is said.
    fn new(test: &str) -> Option<Self> {
        if Command::new("nix").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none(), "there is no nix");
            eprintln!("SKIPPED {test}: there is no nix");
            return None;
        }
        let mut cluster = SecureCluster::start();
        let at = |name: &str| cluster.environment.path(name).display().to_string();
        let store = format!("local?store={}&state={}&log={}", at("store"), at("state"), at("log"));
        cluster.environment.set("ICEFIELD_NIX_STORE", store);
        cluster.environment.set("NIX_CONFIG", CONFIG);
        let key = ["cache", "key", "generate", "shop-1", "--out", "key"];
        let trusted = cluster.environment.ok(key).trim().to_owned();
        let file = cluster.environment.write("icefield.star", FILE);
        Some(Self { cluster, trusted, file })
    }

    /// Has the service on so many nodes, with what was built in the cache's folder.
    fn apply(&self, nodes: u32) {
        let at = |name: &str| self.cluster.environment.path(name).display().to_string();
        let cache = format!("file://{}?store={}", at("origin"), at("store"));
        let nodes = format!("nodes={nodes}");
        let file = self.file.to_str().unwrap();
        self.cluster.environment.ok([
            "apply",
            file,
            "--yes",
            "--cache",
            &cache,
            "--key",
            "key",
            "-D",
            &nodes,
            "--no-wait",
        ]);
    }

    fn agent(&mut self, node: u32, origin: &str, more: &[&str]) {
        let name = format!("n{node}");
        let token = self.cluster.token(&["join-token", "create", "--node", &name]);
        let at = |part: &str| self.cluster.environment.path(part).display().to_string();
        let (store, real) = (at("store"), at(&format!("{name}-store")));
        let store = format!("local?store={store}&real={real}&state={real}/../{name}-state&log={real}/../{name}-log");
        let variables = BTreeMap::from([
            ("ICEFIELD_NIX_STORE".to_owned(), store),
            ("XDG_CACHE_HOME".to_owned(), at(&format!("{name}-xdg"))),
        ]);
        let trusted = self.trusted.clone();
        let arguments = [&["--join", &token, "--substituter", origin, "--trusted-key", &trusted], more].concat();
        self.cluster.agent_in(&name, &["s1"], &arguments, &variables);
    }

    fn until_healthy(&self, nodes: usize) -> Value {
        self.cluster.until("all is healthy", &["status", "--json"], |status| {
            all_healthy(status) && status["services"][0]["replicas"].as_array().is_some_and(|all| all.len() == nodes)
        })
    }

    /// The files called `data` in a node's store.
    fn data(&self, node: u32) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cluster.environment.path(&format!("n{node}-store"))).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path().join("data")).filter(|file| file.is_file()).collect()
    }
}

#[test]
fn nodes_get_closures_from_each_other_when_the_cache_is_gone_with_nix() {
    let Some(mut shop) = Shop::new("nodes_get_closures_from_each_other") else { return };
    // Only its address is needed before anything is in it.
    let folder = shop.cluster.environment.path("origin");
    fs::create_dir(&folder).unwrap();
    let info = format!("StoreDir: {}\n", shop.cluster.environment.path("store").display());
    fs::write(folder.join("nix-cache-info"), info).unwrap();
    let origin = Origin::start(&shop.cluster, &folder);
    let url = format!("{}?store={}", origin.url, shop.cluster.environment.path("store").display());
    let cache = shop.cluster.address("the first node's cache").replace("127.0.0.1", "127.77.0.1");
    shop.agent(1, &url, &["--cache-listen", &cache]);
    shop.apply(1);
    shop.until_healthy(1);
    let [first] = &shop.data(1)[..] else { panic!("{:?}", shop.data(1)) };
    let good = fs::read(first).unwrap();
    drop(origin);

    for node in 2..=4 {
        shop.agent(node, &url, &[]);
    }
    shop.apply(4);
    shop.until_healthy(4);
    for node in 2..=4 {
        let [data] = &shop.data(node)[..] else { panic!("{:?}", shop.data(node)) };
        assert!(fs::read(data).unwrap() == good);
        let left = shop.cluster.data(&format!("n{node}")).join("fetching");
        wait_for("nothing is kept twice", || fs::read_dir(&left).is_ok_and(|mut left| left.next().is_none()));
    }

    // Nobody but nodes and servers gets anything.
    let asked = format!("https://{cache}/nix-cache-info");
    let stranger = fetch(&Http::new(HttpOptions::default(), Some(nobody_config())), &asked, None);
    assert_eq!(stranger.0, 0, "{stranger:?}");
    let held = IdentityFolder::new(shop.cluster.data("n2")).load().unwrap().unwrap();
    let keyring = Keyring::new(held.clone());
    let peer = keyring.http(HttpOptions::default(), Expect::Node(Name::new("n1").unwrap()));
    assert_eq!(fetch(&peer, &asked, None).0, 200);
    let nobody = Keyring::new(icefield_api::Held { credential: None, ..held });
    let unknown = nobody.http(HttpOptions::default(), Expect::Node(Name::new("n1").unwrap()));
    let (status, said) = fetch(&unknown, &asked, None);
    assert_eq!(status, 0, "{said}");

    // Damaged stores are passed over: one good one is enough.
    for node in 1..=3 {
        let file = shop.data(node).remove(0);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let mut damaged = good.clone();
        damaged[100] ^= 1;
        fs::write(&file, damaged).unwrap();
    }
    shop.agent(5, &url, &[]);
    shop.apply(5);
    shop.until_healthy(5);
    let [data] = &shop.data(5)[..] else { panic!("{:?}", shop.data(5)) };
    assert!(fs::read(data).unwrap() == good);
}

/// A NixOS of which nothing is left but that it can be switched to.
const EVAL_CONFIG: &str = r##"{ system, modules }:
{
  config.system.build.toplevel = derivation {
    name = "nixos-system";
    inherit system;
    builder = "/bin/sh";
    PATH = "/bin:/usr/bin";
    script = "#!/bin/sh\nln -sfn \"\${0%/bin/*}\" \"$NIX_RUN_FOLDER/current-system\"\n";
    args = [ "-c" "mkdir -p $out/bin; printf %s \"$script\" > $out/bin/switch-to-configuration; chmod +x $out/bin/*" ];
  };
}
"##;

const SYSTEMS: &str = r#"
cluster("shop")
base("std", nixpkgs = "./nixos.nix", update = rolling(max_unavailable = 1, healthy_for = "100ms", deadline = "60s"))
for number in range(1, 4):
    node("n%d" % number, base = "std", cpu = 2, memory = "1GiB")
"#;

#[test]
fn nodes_get_systems_from_each_other_when_the_cache_is_gone_with_nix_with_unshare() {
    let Some(mut shop) = Shop::new("nodes_get_systems_from_each_other") else { return };
    let probe = ["--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/mnt"];
    if !Command::new("unshare").args(probe).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED nodes_get_systems_from_each_other: no file system may be mounted");
        return;
    }
    let at = |shop: &Shop, name: &str| shop.cluster.environment.path(name);
    let store = at(&shop, "store");
    shop.cluster.environment.write("nixos.nix", EVAL_CONFIG);
    let file = shop.cluster.environment.write("systems.star", SYSTEMS);
    let cache = format!("file://{}?store={}", at(&shop, "origin").display(), store.display());
    let build = ["build", file.to_str().unwrap(), "--cache", &cache, "--key", "key", "--out", "spec.json", "--json"];
    let report = shop.cluster.environment.json(build);
    let system = PathBuf::from(report["built"][0]["path"].as_str().unwrap());
    let origin = Origin::start(&shop.cluster, &at(&shop, "origin"));
    let url = format!("{}?store={}", origin.url, store.display());
    shop.cluster.environment.ok(["apply", "spec.json", "--yes", "--no-wait"]);

    let mut origin = Some(origin);
    for node in ["n1", "n2", "n3"] {
        let own = |part: &str| at(&shop, &format!("{node}-{part}"));
        for part in ["store", "run", "profiles"] {
            fs::create_dir(own(part)).unwrap();
        }
        let (state, log) = (own("state").display().to_string(), own("log").display().to_string());
        let remote = format!("local?store={}&state={state}&log={log}", store.display());
        let variables = BTreeMap::from([
            ("ICEFIELD_NIX_STORE".to_owned(), remote.clone()),
            ("NIX_REMOTE".to_owned(), remote),
            ("NIX_RUN_FOLDER".to_owned(), own("run").display().to_string()),
            ("XDG_CACHE_HOME".to_owned(), own("xdg").display().to_string()),
        ]);
        let (profile, run) = (own("profiles").join("system"), own("run"));
        let (profile, run) = (profile.to_str().unwrap(), run.to_str().unwrap());
        let (from, trusted) = (own("store"), shop.trusted.clone());
        let token = shop.cluster.token(&["join-token", "create", "--node", node]);
        let arguments = ["--join", &token, "--substituter", &url, "--trusted-key", &trusted];
        let arguments = [&arguments[..], &["--system-profile", profile, "--system-run", run]].concat();
        shop.cluster.agent_apart(node, &arguments, &variables, (&from, &store));
        let current = at(&shop, &format!("{node}-run")).join("current-system");
        wait_for(&format!("{node} runs the system"), || fs::read_link(&current).is_ok_and(|link| link == system));
        assert!(from.join(system.file_name().unwrap()).join("bin").is_dir(), "it is in a store of its own");
        wait_for("the leader knows", || {
            let nodes = shop.cluster.environment.json(["node", "history", node, "--json"]);
            nodes.to_string().contains("active")
        });
        // The others have nobody but those before them.
        origin.take();
    }
}
