//! The real `nix`, with a store of each test's own.
//!
//! `ICEFIELD_TEST_NIX` names another one than that of `PATH`, so that all of this can be tried with several versions.

#![allow(clippy::print_stderr, reason = "a test that is skipped in silence would pass for one that passed")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use icefield_nix::{Build, Builder, Memo, Nix, NixConfig, Scope, Sources, fill_in, targets};
use icefield_spec::{Run, Spec};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a declaration, and a store.
struct Place {
    folder: TempDir,
    nix: Nix,
    nixpkgs: String,
}

fn program() -> OsString {
    std::env::var_os("ICEFIELD_TEST_NIX").unwrap_or_else(|| "nix".into())
}

/// A derivation that makes one program, which says `text`.
fn derivation(name: &str, text: &str) -> String {
    format!(
        r#"derivation {{
  name = "{name}";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "PATH=/bin:/usr/bin; mkdir -p $out/bin; (echo '#!/bin/sh'; echo 'echo {text}') >$out/bin/{name}; chmod +x $out/bin/{name}" ];
}}"#
    )
}

impl Place {
    fn new(test: &str) -> Option<Self> {
        let there = Command::new(program()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("ICEFIELD_REQUIRE_NIX").is_none(), "there is no nix");
            eprintln!("SKIPPED {test}: there is no nix");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let store = format!("local?store={}&state={}&log={}", at("store"), at("state"), at("log"));
        let nix = Nix::find(NixConfig { program: wrapper(folder.path(), "substitute = false\n"), store: Some(store) })
            .unwrap();
        Some(Self { folder, nix, nixpkgs: "./nixpkgs".into() })
    }

    /// The same store folder on another machine, as it were.
    fn node(&self, settings: &str) -> Nix {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let (store, real, state) = (at("store"), at("node/store"), at("node/state"));
        let store = format!("local?store={store}&real={real}&state={state}&log={}", at("node/log"));
        let program = wrapper(&self.folder.path().join("node"), settings);
        Nix::find(NixConfig { program, store: Some(store) }).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("shop").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn memo(&self) -> Memo {
        Memo::new(self.folder.path().join("memo"))
    }

    fn build(&self, spec: &mut Spec) -> Result<Build, String> {
        let (stop, memo) = (AtomicBool::new(false), self.memo());
        let scope = Scope {
            folder: self.folder.path().join("shop"),
            nixpkgs: self.nixpkgs.clone(),
            search_path: None,
            bases: true,
        };
        let wanted = targets(spec, &scope, &self.nix).map_err(|error| error.to_string())?;
        let builder = Builder {
            nix: &self.nix,
            memo: &memo,
            jobs: 4,
            timeout: Duration::from_secs(120),
            builders: Vec::new(),
            stop: &stop,
        };
        let build = builder.build(&wanted.targets, &|_, _| {}).map_err(|error| error.to_string())?;
        fill_in(spec, &build.built);
        Ok(build)
    }

    /// Builds a service alone: the path that it is built to, or what is said of why not.
    fn service(&self, run: Value) -> Result<PathBuf, String> {
        let mut spec = spec(&json!({ "web": run }), &json!({}));
        let build = self.build(&mut spec)?;
        if let Some(error) = build.failed.first() {
            return Err(error.to_string());
        }
        let closures = spec.services["web"].unit.run.closures().unwrap();
        assert_eq!(closures.len(), 1);
        Ok(closures.values().next().unwrap().as_str().into())
    }
}

/// A `nix` that needs no users, no sandbox and no network.
fn wrapper(folder: &Path, settings: &str) -> OsString {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(folder).unwrap();
    let config = format!("sandbox = false\nbuild-users-group =\n{settings}");
    let real = program();
    let script = format!("#!/bin/sh\nNIX_CONFIG='{config}' exec {} \"$@\"\n", real.to_string_lossy());
    let path = folder.join("nix");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.into()
}

fn spec(services: &Value, bases: &Value) -> Spec {
    let mut all = json!({});
    for (name, run) in services.as_object().unwrap() {
        all[name] = json!({"replicas": 1, "unit": {"run": run, "cpu": "1m", "memory": "1MiB"}});
    }
    let base = bases.as_object().unwrap().keys().next();
    let machine =
        json!({"cpu": "1", "memory": "1GiB", "base": base, "system": format!("{}-linux", std::env::consts::ARCH)});
    let text = json!({
        "schema": 1, "cluster": "shop", "bases": bases, "services": all,
        "pools": {"workers": {"count": 1000, "machine": machine}}
    });
    Spec::from_json(&text.to_string()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn nix(package: Value) -> Value {
    json!({"kind": "nix", "package": package, "command": ["web", "--all"]})
}

fn said(path: &Path) -> String {
    String::from_utf8(Command::new(path.join("bin/web")).output().unwrap().stdout).unwrap()
}

#[test]
fn packages_come_from_files_texts_flakes_and_nixpkgs_with_nix() {
    let Some(place) = Place::new("packages_come_from_files") else { return };
    place.write("web.nix", &format!("{{ system }}: {{ a.b = {}; }}", derivation("web", "file")));
    assert_eq!(said(&place.service(nix(json!({"file": "web.nix", "attribute": "a.b"}))).unwrap()), "file\n");
    let text = json!({"name": "web", "text": derivation("web", "text")});
    assert_eq!(said(&place.service(nix(text)).unwrap()), "text\n");
    let flake =
        |system: &str| format!("{{ outputs = _: {{ packages.{system} = {{ default = web; web = web; }}; }}; }}",);
    let system = format!("{}-linux", std::env::consts::ARCH);
    let web = derivation("web", "flake").replace("builtins.currentSystem", &format!("{system:?}"));
    place.write("flake/flake.nix", &flake(&system).replace("= web;", &format!("= {web};")));
    for reference in ["./flake#web", "path:flake"] {
        assert_eq!(said(&place.service(nix(json!(reference))).unwrap()), "flake\n", "{reference}");
    }
    place.write("nixpkgs/default.nix", &format!("{{ system, ... }}: {{ tools.web = {}; }}", derivation("web", "pkgs")));
    assert_eq!(said(&place.service(nix(json!("tools.web"))).unwrap()), "pkgs\n");
}

#[test]
fn mistakes_are_told_in_the_words_of_nix_with_nix() {
    let Some(place) = Place::new("mistakes_are_told") else { return };
    let fails = |package: Value| place.service(nix(package)).expect_err("it is no good");
    let text = |text: &str| json!({"name": "web", "text": text});
    let error = fails(text("{ api = 1; web = 2; }"));
    assert!(error.contains("service web") && error.contains("no derivation") && error.contains("api, web"), "{error}");
    let error = fails(json!({"name": "web", "text": "{ api = 1; }", "attribute": "web"}));
    assert!(error.contains("has no attribute web") && error.contains("api"), "{error}");
    let error = fails(text("derivation {"));
    assert!(error.contains("syntax error"), "{error}");
    let error = fails(json!({"file": "none.nix"}));
    assert!(error.contains("none.nix") && error.contains("No such file"), "{error}");
    let error = fails(text("import ./x.nix"));
    assert!(error.contains("./x.nix is relative"), "{error}");
    let broken = derivation("web", "x").replace("mkdir", "echo the compiler says no >&2; exit 3; mkdir");
    let error = fails(text(&broken));
    assert!(error.contains("the compiler says no") && error.contains("the whole log is in"), "{error}");
    let log = error.split("the whole log is in ").nth(1).unwrap().lines().next().unwrap();
    assert!(fs::read_to_string(log).unwrap().contains("the compiler says no"), "{log}");
}

#[test]
fn one_that_fails_keeps_none_of_the_others_with_nix() {
    let Some(place) = Place::new("one_that_fails") else { return };
    let good = nix(json!({"name": "web", "text": derivation("web", "good")}));
    let mut both = spec(&json!({"bad": nix(json!({"name": "bad", "text": "throw \"no\""})), "web": good}), &json!({}));
    let build = place.build(&mut both).unwrap();
    assert_eq!((build.built.len(), build.failed.len(), build.known), (1, 1, 0));
    assert_eq!(place.build(&mut both).unwrap().known, 0, "what is built already in a spec is not asked for again");
}

#[test]
fn what_depends_on_more_than_files_is_asked_for_each_time_with_nix() {
    let Some(place) = Place::new("what_depends_on_more_than_files") else { return };
    let known = |text: &str| {
        let fresh = || spec(&json!({"web": nix(json!({"name": "web", "text": text}))}), &json!({}));
        place.build(&mut fresh()).unwrap();
        place.build(&mut fresh()).unwrap().known
    };
    assert_eq!(known(&derivation("web", "x")), 1);
    assert_eq!(known(&format!("builtins.seq builtins.currentTime ({})", derivation("web", "x"))), 0);
}

#[test]
fn a_node_fetches_only_what_is_signed_and_keeps_it_by_a_link_with_nix() {
    let Some(place) = Place::new("a_node_fetches_only_what_is_signed") else { return };
    let path = place.service(nix(json!({"name": "web", "text": derivation("web", "signed")}))).unwrap();
    let path = path.to_str().unwrap().parse().unwrap();
    let at = |name: &str| place.folder.path().join(name);
    let key = Command::new(program())
        .args(["--extra-experimental-features", "nix-command", "key", "generate-secret", "--key-name", "shop-1"])
        .output()
        .unwrap();
    fs::write(at("key"), key.stdout).unwrap();
    let public = Command::new(program())
        .args(["--extra-experimental-features", "nix-command", "key", "convert-secret-to-public"])
        .stdin(fs::File::open(at("key")).unwrap())
        .output()
        .unwrap();
    let public = String::from_utf8(public.stdout).unwrap().trim().to_owned();
    // A cache has to be told which folder its paths are of, where that is not the usual one.
    let cache = format!("file://{}?store={}", at("cache").display(), at("store").display());
    place.nix.sign(std::slice::from_ref(&path), &at("key")).unwrap();
    place.nix.copy_to(std::slice::from_ref(&path), &cache).unwrap();

    let node = place.node("substituters =\n");
    let (root, other) = (at("node/closures/web"), at("node/closures/other"));
    let sources =
        |keys: &[String]| Sources { substituters: vec![cache.clone()], trusted_keys: keys.to_vec(), asked_anew: false };
    assert!(node.realise(&path, &root, &Sources::default()).is_err(), "it is nowhere");
    assert!(node.realise(&path, &root, &sources(&[])).is_err(), "nobody that is trusted has signed it");
    assert!(!root.exists() && node.known(std::slice::from_ref(&path)).unwrap().paths.is_empty());
    node.realise(&path, &root, &sources(&[public])).unwrap();
    assert_eq!(node.closure(&path).unwrap(), place.nix.closure(&path).unwrap());
    let physical = node.config().physical(path.as_str());
    assert!(Path::new(&physical).join("bin").symlink_metadata().is_ok(), "{physical}");
    // It is there, so nobody is asked.
    node.realise(&path, &other, &Sources::default()).unwrap();

    let collect = || {
        let mut command = Command::new(program());
        command.args([
            "--extra-experimental-features",
            "nix-command",
            "--store",
            node.config().store.as_ref().unwrap(),
        ]);
        command.args(["store", "gc"]).env("NIX_CONFIG", "sandbox = false\nbuild-users-group =\n").output().unwrap();
        Path::new(&physical).exists()
    };
    assert!(collect());
    fs::remove_file(&root).unwrap();
    assert!(collect(), "another link keeps it");
    fs::remove_file(&other).unwrap();
    assert!(!collect());
}

/// What of NixOS a service is made of, in the form that NixOS has it.
const EVAL_CONFIG: &str = r#"{ system, modules }:
let
  merge = a: b: a // builtins.mapAttrs (n: v: if a ? ${n} && builtins.isAttrs v && builtins.isAttrs a.${n} && !(v ? type) then merge a.${n} v else v) b;
  load = module: let value = import module; in if builtins.isFunction value then value { inherit config; pkgs = { }; lib = { }; } else value;
  flat = module: let value = load module; in builtins.foldl' merge (removeAttrs value [ "imports" ]) (map flat (value.imports or [ ]));
  machine = { boot.kernelParams = [ "quiet" ]; systemd.units."firewall.service".text = "[Service]"; environment.etc."hosts".text = "x"; };
  set = builtins.foldl' merge machine (map flat modules);
  write = name: text: derivation {
    inherit name system text;
    builder = "/bin/sh";
    args = [ "-c" "PATH=/bin:/usr/bin; mkdir $out; printf %s \"$text\" > $out/$name" ];
  };
  config = set // {
    systemd.units = builtins.mapAttrs (name: unit: unit // { unit = write name unit.text; }) (set.systemd.units or { });
    environment.etc = builtins.mapAttrs (name: file: { source = "${write "etc" file.text}/etc"; }) (set.environment.etc or { });
    system.build.toplevel = write "nixos-system" (builtins.toJSON (removeAttrs set [ "systemd" ]));
  };
in
{ inherit config; }
"#;

#[test]
fn nixos_modules_give_their_units_users_and_files_with_nix() {
    let Some(mut place) = Place::new("nixos_modules_give_their_units") else { return };
    place.write("nixpkgs/nixos/lib/eval-config.nix", EVAL_CONFIG);
    place.write("other.nix", EVAL_CONFIG);
    let module = |text: &str| json!({"kind": "nixos", "modules": [{"name": "web", "text": text}]});
    let good = r#"{ ... }: {
      systemd.units."web.service" = { text = "[Service]\nExecStart=/bin/web\n"; wantedBy = [ "multi-user.target" ]; };
      systemd.units."helper.service".text = "[Service]\nExecStart=/bin/helper\n";
      systemd.units."off.service" = { text = "[Service]\nExecStart=/bin/off\n"; enable = false; wantedBy = [ "x.target" ]; };
      users.users.web = { uid = 400; isSystemUser = true; };
      environment.etc."web.conf".text = "port = 80";
    }"#;
    let path = place.service(module(good)).unwrap();
    let tree: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let unit = tree["units"]["web.service"]["path"].as_str().unwrap();
    assert!(fs::read_to_string(unit).unwrap().contains("ExecStart=/bin/web"), "{tree:#}");
    assert_eq!(
        (&tree["units"]["web.service"]["wanted"], &tree["units"]["helper.service"]["wanted"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((tree["units"].as_object().unwrap().len(), tree["etc"].as_object().unwrap().len()), (2, 1), "{tree:#}");
    assert_eq!(tree["users"]["web"]["uid"], 400);
    assert_eq!(fs::read_to_string(tree["etc"]["web.conf"].as_str().unwrap()).unwrap(), "port = 80");

    let error = place.service(module("{ boot.kernelParams = [ \"nosmt\" ]; fileSystems.\"/\".device = \"/dev/x\"; }"));
    let error = error.unwrap_err();
    assert!(
        error.contains("sets boot.kernelParams, fileSystems") && error.contains("its place is in a base"),
        "{error}"
    );

    let error = place
        .service(module(r#"{ systemd.units."firewall.service".text = "y"; environment.etc."hosts".text = "y"; }"#));
    let error = error.unwrap_err();
    assert!(error.contains("changes /etc/hosts, firewall.service") && error.contains("in a base"), "{error}");

    // A base is a whole system, for all nodes that have it.
    let base =
        json!({"std": {"nixos": {"networking.useDHCP": true}, "modules": [{"name": "a", "text": "{ x = 1; }"}]}});
    let build = place.build(&mut spec(&json!({}), &base)).unwrap();
    assert!(build.failed.is_empty(), "{:?}", build.failed);
    let system = fs::read_to_string(format!("{}/nixos-system", build.built[0].path)).unwrap();
    assert!(system.contains("\"useDHCP\":true") && system.contains("\"x\":1"), "{system}");
    assert_eq!(place.build(&mut spec(&json!({}), &base)).unwrap().known, 1);
    place.nixpkgs = "./other.nix".into();
    assert_eq!(place.build(&mut spec(&json!({}), &base)).unwrap().known, 0, "another nixpkgs is another input");
}

#[test]
fn lines_are_passed_on_while_it_is_built_with_nix() {
    let Some(place) = Place::new("lines_are_passed_on") else { return };
    let text = derivation("web", "x").replace("mkdir", "echo compiling >&2; mkdir");
    let mut wanted = spec(&json!({"web": nix(json!({"name": "web", "text": text}))}), &json!({}));
    assert!(matches!(wanted.services["web"].unit.run, Run::Nix { .. }));
    let lines = Mutex::new(Vec::new());
    let (stop, memo) = (AtomicBool::new(false), place.memo());
    let scope =
        Scope { folder: place.folder.path().join("shop"), nixpkgs: "x".into(), search_path: None, bases: false };
    let all = targets(&wanted, &scope, &place.nix).unwrap().targets;
    let builder = Builder {
        nix: &place.nix,
        memo: &memo,
        jobs: 1,
        timeout: Duration::from_secs(60),
        builders: Vec::new(),
        stop: &stop,
    };
    let told = |_: &icefield_nix::Target, event: icefield_nix::Event<'_>| {
        if let icefield_nix::Event::Said(line) = event {
            lines.lock().unwrap().push(line.to_owned());
        }
    };
    let build = builder.build(&all, &told).unwrap();
    fill_in(&mut wanted, &build.built);
    let lines = lines.into_inner().unwrap();
    assert!(lines.iter().any(|line| line.contains("compiling")), "{lines:?}");
}
