//! Services that the real Nix builds, run from their closures.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{DevCluster, TestEnvironment, all_healthy, example, get, replicas};
use serde_json::Value;

/// A work folder with a store of its own, and a `nix` that counts what it is asked to evaluate.
struct Shop {
    environment: TestEnvironment,
}

impl Shop {
    /// Nothing where there is no Nix, which is said.
    #[allow(clippy::print_stderr, reason = "a test that is skipped in silence would pass for one that passed")]
    fn new(test: &str) -> Option<Self> {
        let there =
            Command::new("nix").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        if !there {
            assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none(), "there is no nix");
            eprintln!("SKIPPED {test}: there is no nix");
            return None;
        }
        let mut shop = Self { environment: TestEnvironment::new() };
        for entry in fs::read_dir(example("nix")).unwrap() {
            let entry = entry.unwrap();
            shop.environment.write(entry.file_name().to_str().unwrap(), &fs::read_to_string(entry.path()).unwrap());
        }
        let count = shop.environment.path("count");
        let script = format!(
            "#!/bin/sh\nfor word; do case $word in --file|eval|--expr) echo \"$*\" >>{};; esac; done\nexec nix \"$@\"\n",
            count.display()
        );
        let counter = shop.environment.write("bin/nix", &script);
        fs::set_permissions(&counter, fs::Permissions::from_mode(0o755)).unwrap();
        shop.environment.set("ICEFIELD_NIX", counter.to_str().unwrap());
        let store = shop.store();
        shop.environment.set("ICEFIELD_NIX_STORE", store);
        shop.environment.set("NIX_CONFIG", CONFIG);
        Some(shop)
    }

    /// Changes what a service answers with.
    fn write(&self, name: &str, status: u32, text: &str) {
        let program = fs::read_to_string(example("nix").join(format!("{name}.py"))).unwrap();
        let before = format!("STATUS, TEXT = 200, b\"hello from {name}\\n\"");
        assert!(program.contains(&before));
        let after = format!("STATUS, TEXT = {status}, b\"{text}\\n\"");
        self.environment.write(&format!("{name}.py"), &program.replace(&before, &after));
    }

    /// How often Nix was asked to evaluate anything.
    fn evaluations(&self) -> usize {
        fs::read_to_string(self.environment.path("count")).unwrap_or_default().lines().count()
    }

    fn file(&self) -> std::path::PathBuf {
        self.environment.path("icefield.star")
    }

    /// The paths that services are built to, by name.
    fn paths(report: &Value) -> Vec<(String, String)> {
        let built = report["built"].as_array().unwrap().iter();
        built.map(|one| (one["name"].as_str().unwrap().into(), one["path"].as_str().unwrap().into())).collect()
    }

    fn build(&self) -> Value {
        self.environment.json(["build", "--json", self.file().to_str().unwrap()])
    }
}

/// The only replica of `service`.
fn replica<'a>(status: &'a Value, service: &str) -> &'a Value {
    let all = status["services"].as_array().unwrap();
    &all.iter().find(|one| one["name"] == service).unwrap()["replicas"][0]
}

fn url(status: &Value, service: &str) -> String {
    let replica = replica(status, service);
    let nodes = status["nodes"].as_array().unwrap();
    let address = nodes.iter().find(|node| node["name"] == replica["node"]).map(|node| node["address"].clone());
    format!("http://{}:{}/", address.unwrap_or_default().as_str().unwrap_or("none"), replica["ports"]["http"])
}

#[test]
fn each_is_evaluated_once_and_what_is_the_same_never_again_with_nix() {
    let Some(shop) = Shop::new("each_is_evaluated_once") else { return };
    let first = shop.build();
    assert_eq!((first["evaluated"].as_u64(), shop.evaluations()), (Some(2), 2), "{first:#}");
    let again = shop.build();
    assert_eq!((again["known"].as_u64(), shop.evaluations()), (Some(2), 2), "{again:#}");
    assert_eq!(Shop::paths(&first), Shop::paths(&again));

    // A change of one builds one.
    shop.write("web", 200, "changed");
    let changed = shop.build();
    assert_eq!((changed["evaluated"].as_u64(), shop.evaluations()), (Some(1), 3));
    let (before, after) = (Shop::paths(&first), Shop::paths(&changed));
    assert_eq!(before[0], after[0], "api is what it was");
    assert_ne!(before[1], after[1]);

    // What was collected is built again.
    let store = shop.environment.path("store");
    let web = &after[1].1;
    for root in walk(&shop.environment.path("home/nix/roots")) {
        fs::remove_file(root).unwrap();
    }
    let deleted = Command::new("nix-store")
        .args(["--delete", web])
        .env("NIX_CONFIG", CONFIG)
        .arg("--store")
        .arg(shop.store())
        .output();
    assert!(deleted.unwrap().status.success() && !Path::new(web).exists(), "{store:?}");
    assert_eq!(shop.build()["evaluated"], 1);
    assert!(Path::new(web).exists());

    // The closure says nothing of a node, and has the unit and the program.
    let unit = fs::read_to_string(format!("{web}/lib/systemd/system/icefield-web@.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/env \"web\" \"${PORT_HTTP}\""), "{unit}");
    assert!(Path::new(web).join("bin/web").exists());
}

const CONFIG: &str = "sandbox = false\nbuild-users-group =\nsubstitute = false\n";

impl Shop {
    fn store(&self) -> String {
        let at = |name: &str| self.environment.path(name).display().to_string();
        format!("local?store={}&state={}&log={}", at("store"), at("state"), at("log"))
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn dev_builds_serves_and_goes_back_with_nix() {
    let Some(shop) = Shop::new("dev_builds_serves_and_goes_back") else { return };
    let cluster = DevCluster::start(&shop.environment, &shop.file(), None);
    let first = cluster.status();
    assert!(all_healthy(&first));
    for service in ["api", "web"] {
        assert_eq!(get(&url(&first, service)), Some(format!("hello from {service}\n")));
    }
    assert_eq!(shop.evaluations(), 2, "what was built for the check was not evaluated for the start");
    let pid = |status: &Value, service: &str| replica(status, service)["pid"].clone();
    let exe = fs::read(format!("/proc/{}/cmdline", pid(&first, "web"))).unwrap();
    assert!(String::from_utf8_lossy(&exe).contains("/store/"), "it runs from its closure");
    let roots = |status: &Value| {
        let data = cluster.running()["data"].as_str().unwrap().to_owned();
        let nodes = status["nodes"].as_array().unwrap().iter();
        let links = nodes.flat_map(|node| walk(&Path::new(&data).join("nodes").join(node["name"].as_str().unwrap())));
        let mut links: Vec<String> = links
            .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("closures")))
            .map(|path| fs::read_link(path).unwrap().display().to_string())
            .collect();
        links.sort();
        links
    };
    let kept = roots(&first);
    assert_eq!(kept.len(), 2, "{kept:?}");

    // A change of one builds one, and replaces one.
    shop.write("web", 200, "changed");
    let done = || shop.environment.run(["events", "-n", "60"]).stdout.matches("service web       rollout done").count();
    let changed = cluster.until("web is replaced", |status| {
        done() == 2 && all_healthy(status) && get(&url(status, "web")).as_deref() == Some("changed\n")
    });
    assert_eq!(shop.evaluations(), 3);
    assert_eq!(pid(&first, "api"), pid(&changed, "api"));
    let after = roots(&cluster.status());
    assert!(
        after.len() == 3 && kept.iter().all(|one| after.contains(one)),
        "for a way back without a fetch: {after:?}"
    );

    // One that does not build leaves all as it was.
    let good = shop.environment.path("web.nix");
    let text = fs::read_to_string(&good).unwrap();
    fs::write(&good, text.replace("web.py", "no-such-thing.py")).unwrap();
    let log = shop.environment.path("home");
    cluster.until("dev has said so", |_| {
        let logs = walk(&log).into_iter().filter(|path| path.ends_with("dev.log"));
        let said: String = logs.map(|log| fs::read_to_string(log).unwrap()).collect();
        said.contains("no-such-thing.py") && said.contains("the cluster stays as it was")
    });
    assert_eq!(pid(&changed, "web"), pid(&cluster.status(), "web"));

    fs::write(&good, text).unwrap();

    // One that builds and is not well is rolled back.
    shop.write("web", 500, "ill");
    let evaluated = shop.evaluations();
    cluster.until("the rollout has failed and gone back", |_| {
        let events = shop.environment.run(["events", "-n", "60"]).stdout;
        shop.evaluations() > evaluated && events.contains("rolled back")
    });
    let back = cluster.until("web is as it was", |status| {
        all_healthy(status) && get(&url(status, "web")).as_deref() == Some("changed\n")
    });

    // Moving a replica needs neither an evaluation nor a build.
    let evaluated = shop.evaluations();
    let node = replicas(&back)[0]["node"].as_str().unwrap().to_owned();
    shop.environment.ok(["dev", "kill-node", &node]);
    cluster.until("all runs on the other node", |status| {
        all_healthy(status) && replicas(status).iter().all(|replica| replica["node"] != node.as_str())
    });
    assert_eq!(shop.evaluations(), evaluated);
    cluster.stop();
}

#[test]
fn what_is_shown_of_a_node_is_what_it_runs_with_nix() {
    let Some(shop) = Shop::new("what_is_shown_of_a_node_is_what_it_runs") else { return };
    let file = shop.file();
    let refused = shop.environment.run(["compile", file.to_str().unwrap(), "--target", "nix", "--out", "out"]);
    assert!(refused.stderr.contains("it was not built; `icefield build FILE --out SPEC` builds it"), "{refused:#?}");
    shop.environment.ok(["build", file.to_str().unwrap(), "--out", "spec.json"]);
    let paths = Shop::paths(&shop.build());
    let evaluated = shop.evaluations();
    // From a spec with paths nothing is built, wherever it goes.
    for target in ["nix", "systemd"] {
        shop.environment.ok(["compile", "spec.json", "--target", target, "--out", target]);
    }
    shop.environment.ok(["build", "spec.json", "--json"]);
    assert_eq!(shop.environment.run(["plan", "spec.json", "--offline"]).code, Some(2));
    assert_eq!(shop.evaluations(), evaluated);

    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../emit/tests/nix");
    for name in ["evaluate.nix", "lib.nix"] {
        shop.environment.write(&format!("nix/test/{name}"), &fs::read_to_string(stand_in.join(name)).unwrap());
    }
    for (service, closure) in paths {
        let unit = format!("icefield-{service}@0");
        let of_systemd = walk(&shop.environment.path("systemd"));
        let file = of_systemd.iter().find(|path| path.ends_with(format!("{unit}.service"))).unwrap();
        let node = file.strip_prefix(shop.environment.path("systemd")).unwrap().iter().nth(1).unwrap();
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(&format!("ExecStart={closure}/bin/{service} ")), "{text}");
        assert!(text.contains(&format!("PATH={closure}/bin:")), "{text}");
        let evaluated = Command::new("nix-instantiate")
            .args(["--eval", "--strict", "--json", "--store", &shop.store(), "--argstr", "node"])
            .arg(node)
            .arg(shop.environment.path("nix/test/evaluate.nix"))
            .env("NIX_CONFIG", CONFIG)
            .output()
            .unwrap();
        assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
        let config: Value = serde_json::from_slice(&evaluated.stdout).unwrap();
        let start = config["systemd"]["services"][&unit]["serviceConfig"]["ExecStart"].as_str().unwrap();
        assert!(start.starts_with(&format!("\"{closure}/bin/{service}\" ")), "{start}");
    }
}

/// A flake with NixOS configurations. What it has of NixOS is how modules are put together and what comes of them.
const INFRA: &str = r#"{
  outputs =
    _:
    let
      inherit (builtins) foldl' isAttrs isFunction mapAttrs;
      merge = a: b: a // mapAttrs (name: value: if isAttrs value && isAttrs (a.${name} or null) then merge a.${name} value else value) b;
      load = module: let value = if isAttrs module then module else import module; in if isFunction value then value { } else value;
      nixosSystem =
        system: modules:
        let
          set = foldl' merge { } (map load modules);
          toplevel = derivation {
            name = "nixos-system";
            inherit system;
            builder = "/bin/sh";
            args = [ "-c" "printf %s \"$text\" > $out" ];
            text = builtins.toJSON set;
          };
        in
        {
          config = merge set { system.build.toplevel = toplevel; };
          extendModules = more: nixosSystem system (modules ++ more.modules);
        };
    in
    {
      nixosConfigurations = {
        web = nixosSystem "x86_64-linux" [ ./web.nix ];
        "DB.example" = nixosSystem "x86_64-linux" [ { services.db.enable = true; } ];
        broken = throw "there is no such option";
      };
    };
}
"#;

#[test]
fn configurations_of_a_flake_become_nodes_with_nix() {
    let Some(shop) = Shop::new("configurations_of_a_flake_become_nodes") else { return };
    let environment = &shop.environment;
    let web = "{ networking.interfaces.eth0.ipv4.addresses = [ { address = \"10.0.0.1\"; } ]; }";
    environment.write("infra/web.nix", web);
    environment.write("infra/flake.nix", INFRA);
    let infra = environment.path("infra");
    let file = environment.path("fleet.star");
    let (folder, out) = (infra.to_str().unwrap(), file.to_str().unwrap());
    let import = || environment.run(["import", folder, "--out", out, "--cpu", "2"]);

    let outcome = import();
    let said = outcome.stderr;
    assert_eq!(outcome.code, Some(1), "{said}");
    assert!(said.contains("1 of 3 configurations could not be evaluated; they are left out"), "{said}");
    assert!(said.contains("there is no such option"), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("# \"broken\" is left out"), "{text}");
    assert!(text.contains("base(\"web\", flake = \"./infra#web\")"), "{text}");
    assert!(
        text.contains("node(\"web\", base = \"web\", address = \"10.0.0.1\", cpu = 2, memory = \"1GiB\")"),
        "{text}"
    );
    let outcome = import();
    assert!(outcome.stderr.contains("cannot write"), "what is there is not overwritten: {outcome:?}");

    // What is built of it is what `nixos-rebuild` would build.
    let build = || environment.json(["build", "--json", out]);
    let report = build();
    assert_eq!((report["evaluated"].as_u64(), report["built"].as_array().unwrap().len()), (Some(2), 2));
    let rebuilt = |configuration: &str| {
        let mut nix = Command::new("nix");
        nix.args([
            "--extra-experimental-features",
            "nix-command flakes",
            "--store",
            &shop.store(),
            "build",
            "--no-link",
        ]);
        nix.args(["--json", "--no-write-lock-file"]).env("NIX_CONFIG", CONFIG);
        nix.arg(format!("{folder}#nixosConfigurations.\"{configuration}\".config.system.build.toplevel"));
        let output = nix.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let built: Value = serde_json::from_slice(&output.stdout).unwrap();
        built[0]["outputs"]["out"].as_str().unwrap().to_owned()
    };
    let expected = [("db-example".to_owned(), rebuilt("DB.example")), ("web".to_owned(), rebuilt("web"))];
    assert_eq!(Shop::paths(&report), expected);

    // A base may add to it; and the flake's own files are watched for changes.
    fs::write(
        &file,
        text.replace("flake = \"./infra#web\"", "flake = \"./infra#web\", nixos = {\"boot.quiet\": True}"),
    )
    .unwrap();
    let report = build();
    assert_eq!((report["evaluated"].as_u64(), report["known"].as_u64()), (Some(1), Some(1)), "{report:#}");
    let path = Shop::paths(&report).pop().unwrap().1;
    let built = fs::read_to_string(path).unwrap();
    assert!(built.contains("\"quiet\":true") && built.contains("10.0.0.1"), "{built}");
    environment.write("infra/web.nix", &web.replace("10.0.0.1", "10.0.0.7"));
    assert_eq!(build()["evaluated"].as_u64(), Some(2), "the whole flake goes in");
}

#[test]
fn the_nixos_module_gives_commands_that_the_program_knows_with_nix() {
    let Some(shop) = Shop::new("the_nixos_module_gives_commands") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files: Vec<_> = walk(&root.join("nix"));
    assert!(files.len() >= 3);
    for file in &files {
        let parsed = Command::new("nix-instantiate").arg("--parse").arg(file).output().unwrap();
        assert!(parsed.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&parsed.stderr));
    }
    let expression = format!(
        r#"let config = (import {root}/crates/emit/tests/nix/lib.nix).evaluate {{
             arguments = {{ }};
             modules = [ {root}/nix/module.nix {{ services.icefield = {{
               enable = true;
               package = {{ type = "derivation"; name = "icefield"; outPath = "/package"; }};
               server = {{ enable = true; name = "s1"; listen = "10.0.0.1:7700"; newCluster = true; }};
               agent = {{ enable = true; node = "n1"; address = "10.0.0.11"; servers = [ "https://a" "https://b" ];
                         joinTokenFile = "/root/100% $token"; trustedKeys = [ "shop-1:x=" ]; systemd = true; dns = "127.0.0.1:53"; }};
             }}; }} ];
           }}; in builtins.mapAttrs (_: unit: unit.serviceConfig.ExecStart) config.systemd.services"#,
        root = root.canonicalize().unwrap().display()
    );
    let evaluated = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr", &expression, "--store", &shop.store()])
        .env("NIX_CONFIG", CONFIG)
        .output()
        .unwrap();
    assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
    let starts: Value = serde_json::from_slice(&evaluated.stdout).unwrap();
    for (name, role) in [("icefield-server", "server"), ("icefield-agent", "agent")] {
        let words: Vec<String> = starts[name]
            .as_str()
            .unwrap()
            .split("\" \"")
            .map(|word| word.trim_matches('"').replace("%%", "%").replace("$$", "$"))
            .collect();
        assert_eq!((words[0].as_str(), words[1].as_str()), ("/package/bin/icefield", role));
        // Every option is one that the program has.
        let help = shop.environment.ok([role, "--help"]);
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option.as_str()), "{role} has no {option}");
        }
    }
    assert!(starts["icefield-agent"].as_str().unwrap().contains("\"@/root/100%% $$token\""), "{starts:#}");
}
