use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use icefield_api::{NodeState, Status};
use serde::Serialize;

use crate::dev_cluster::{DevCluster, all_healthy, binary};
use crate::{Common, Failure};

/// What Nix was asked, counted by a program around the real one.
#[derive(Debug, Serialize)]
pub(crate) struct NixEvals {
    nix: String,
    nodes: u32,
    services: u32,
    pools: u32,
    /// Calls that evaluate, and build what they evaluate: goal one for each service and pool.
    evaluations: usize,
    goal: u32,
    met: bool,
    seconds: f64,
    /// The same command again.
    evaluations_again: usize,
    seconds_again: f64,
    /// After a change of one service.
    evaluations_of_a_change: usize,
    /// One node after the other, as tools do that evaluate each node's configuration: how many were tried, and how long all
    /// of the nodes would take.
    one_by_one_sample: u32,
    one_by_one_seconds: f64,
    /// How many times as long, and how many times as many evaluations.
    times_as_long: f64,
    times_as_many: f64,
    /// While all replicas of a lost node were started on others.
    evaluations_of_a_failover: usize,
}

const SERVICES: u32 = 20;
const POOLS: u32 = 3;
/// Nix here needs neither users nor a sandbox nor a network.
const CONFIG: &str = "sandbox = false\nbuild-users-group =\nsubstitute = false\n";

/// A small stand-in for what makes a NixOS system of modules; nixpkgs itself cannot be had everywhere.
const EVAL_CONFIG: &str = r#"{ system, modules }:
let
  merge = a: b: a // builtins.mapAttrs (n: v: if a ? ${n} && builtins.isAttrs v && builtins.isAttrs a.${n} then merge a.${n} v else v) b;
  load = module: let value = import module; in if builtins.isFunction value then value { pkgs = { }; lib = { }; } else value;
  flat = module: let value = load module; in builtins.foldl' merge (removeAttrs value [ "imports" ]) (map flat (value.imports or [ ]));
  set = builtins.foldl' merge { } (map flat modules);
in
{
  config = set // {
    system.build.toplevel = derivation {
      inherit system;
      name = "nixos-system";
      builder = "/bin/sh";
      args = [ "-c" "printf %s \"$text\" > $out" ];
      text = builtins.toJSON set;
    };
  };
}
"#;

/// The folder with the declaration, the store and the program that counts.
struct Place {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    binary: PathBuf,
}

pub(crate) async fn measure(common: &Common, nodes: u32, sample: u32) -> Result<NixEvals, Failure> {
    let said = Command::new("nix").arg("--version").output().map_err(|error| format!("nix cannot be run: {error}"))?;
    let place = Place::new(binary(common)?)?;
    place.write("icefield.star", &declaration(&[nodes / 3, nodes / 3, nodes - nodes / 3 * 2]))?;
    let (seconds, evaluations) = place.build()?;
    let (seconds_again, evaluations_again) = place.build()?;
    place.write("service-7.nix", &program(7, "changed"))?;
    let (_, evaluations_of_a_change) = place.build()?;
    let one_by_one = place.one_by_one(sample)? / f64::from(sample) * f64::from(nodes);
    let evaluations_of_a_failover = place.fail_over(common).await?;
    let goal = SERVICES + POOLS;
    Ok(NixEvals {
        nix: String::from_utf8_lossy(&said.stdout).trim().to_owned(),
        nodes,
        services: SERVICES,
        pools: POOLS,
        evaluations,
        goal,
        met: evaluations == goal as usize && evaluations_again + evaluations_of_a_failover == 0,
        seconds,
        evaluations_again,
        seconds_again,
        evaluations_of_a_change,
        one_by_one_sample: sample,
        one_by_one_seconds: one_by_one,
        times_as_long: one_by_one / seconds,
        times_as_many: f64::from(nodes) / evaluations.max(1) as f64,
        evaluations_of_a_failover,
    })
}

/// Three pools with a base each, and the services.
fn declaration(pools: &[u32]) -> String {
    let mut text = String::from("cluster(\"fleet\")\n");
    for (at, count) in pools.iter().enumerate() {
        let _ = writeln!(
            text,
            "base(\"base-{at}\", nixos = {{\"networking.domain\": \"pool-{at}\"}}, nixpkgs = \"./nixpkgs\")\n\
             pool(\"pool-{at}\", count = {count}, base = \"base-{at}\", cpu = 4, memory = \"8GiB\")"
        );
    }
    let _ = writeln!(
        text,
        "for number in range({SERVICES}):\n    name = \"service-%d\" % number\n    service(name, run = nix(nix_file(name + \
         \".nix\"), [name]), replicas = 3, cpu = \"10m\", memory = \"16MiB\")"
    );
    text
}

/// A program that sleeps.
fn program(number: u32, version: &str) -> String {
    format!(
        r#"derivation {{
  name = "service-{number}";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  version = "{version}";
  args = [ "-c" "PATH=/bin:/usr/bin; mkdir -p $out/bin; printf '#!/bin/sh\nexec sleep 1000\n' >$out/bin/service-{number}; chmod +x $out/bin/service-{number}" ];
}}
"#
    )
}

impl Place {
    fn new(binary: PathBuf) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let script = format!(
            "#!/bin/sh\nfor word; do case $word in --file|--expr|eval) echo \"$*\" >>{}; break;; esac; done\nexec nix \"$@\"\n",
            at("count")
        );
        fs::write(folder.path().join("nix"), script)?;
        fs::set_permissions(folder.path().join("nix"), fs::Permissions::from_mode(0o755))?;
        let store = format!("local?store={}&state={}&log={}", at("store"), at("state"), at("log"));
        let variables = [("ICEFIELD_NIX", at("nix")), ("ICEFIELD_NIX_STORE", store), ("NIX_CONFIG", CONFIG.to_owned())];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let place = Self { folder, variables, binary };
        place.write("nixpkgs/nixos/lib/eval-config.nix", EVAL_CONFIG)?;
        for number in 0..SERVICES {
            place.write(&format!("service-{number}.nix"), &program(number, "first"))?;
        }
        Ok(place)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        Ok(fs::write(path, text)?)
    }

    fn evaluations(&self) -> usize {
        fs::read_to_string(self.folder.path().join("count")).unwrap_or_default().lines().count()
    }

    /// Builds all; how long it took, in seconds, and how many evaluations.
    fn build(&self) -> Result<(f64, usize), Failure> {
        let (before, began) = (self.evaluations(), Instant::now());
        let output = Command::new(&self.binary)
            .args(["build", "--json"])
            .arg(self.folder.path().join("icefield.star"))
            .env("ICEFIELD_HOME", self.folder.path().join("home"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok((began.elapsed().as_secs_f64(), self.evaluations() - before))
    }

    /// Evaluates and builds the systems of some nodes, each by itself, with what three replicas of each service make on average;
    /// in seconds.
    fn one_by_one(&self, sample: u32) -> Result<f64, Failure> {
        let folder = self.folder.path();
        let began = Instant::now();
        for node in 0..sample {
            let text = format!(
                "let system = builtins.currentSystem; base = (import {}/nixpkgs/nixos/lib/eval-config.nix {{ inherit system; \
                 modules = [ {}/node-{node}-module.nix ]; }}).config.system.build.toplevel; in derivation {{ name = \
                 \"node-{node}\"; inherit system base; service = import {}/service-{}.nix; builder = \"/bin/sh\"; args = [ \
                 \"-c\" \"echo $base $service > $out\" ]; }}",
                folder.display(),
                folder.display(),
                folder.display(),
                node % SERVICES,
            );
            self.write(&format!("node-{node}-module.nix"), &format!("{{ networking.hostName = \"node-{node}\"; }}"))?;
            self.write(&format!("node-{node}.nix"), &text)?;
            let store = &self.variables[1].1;
            let output = Command::new("nix")
                .args(["--extra-experimental-features", "nix-command", "build", "--impure", "--no-link"])
                .args(["--store", store, "--file"])
                .arg(folder.join(format!("node-{node}.nix")))
                .env("NIX_CONFIG", CONFIG)
                .output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// Loses a node of a cluster with the same services; how many evaluations that takes.
    async fn fail_over(&self, common: &Common) -> Result<usize, Failure> {
        self.write("icefield.star", &declaration(&[2, 1]))?;
        let cluster = DevCluster::with(common, self.folder.path(), self.variables.clone())?;
        let ready =
            |status: &Status| all_healthy(status) && status.nodes.iter().all(|node| node.state == NodeState::Ready);
        let status = cluster.until(ready).await?;
        let busiest = status.nodes.iter().max_by_key(|node| node.replicas).ok_or("there is no node")?;
        let name = busiest.name.clone();
        let before = self.evaluations();
        cluster.run(&["dev".as_ref(), "kill-node".as_ref(), name.as_str().as_ref()])?;
        let elsewhere = |status: &Status| {
            let mut replicas = status.services.iter().flat_map(|service| &service.replicas);
            all_healthy(status) && replicas.all(|replica| replica.node.as_ref() != Some(&name))
        };
        cluster.until(elsewhere).await?;
        Ok(self.evaluations() - before)
    }
}
