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
    let after = cluster.until("the closure before is let go of", |status| roots(status).len() == 2);
    assert_ne!(kept, roots(&after));

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
