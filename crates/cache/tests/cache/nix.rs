use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use icefield_cache::{Nix, NixStore, StoreDir, StorePath};
use tempfile::TempDir;
use tokio::process::Command;

/// The real Nix with a store of its own, in which it builds.
pub(crate) struct RealNix {
    home: TempDir,
    /// What was built: it needs one path that needs another.
    pub(crate) top: StorePath,
}

const EXPRESSION: &str = r#"
let
  make = name: script: derivation {
    inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; PATH = "/bin:/usr/bin";
  };
  a = make "a" "echo a > $out";
  b = make "b" "mkdir -p $out/bin; echo ${a} > $out/bin/b; chmod +x $out/bin/b; ln -s bin/b $out/link";
in make "top" "mkdir $out; echo ${b} > $out/x; i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done > $out/large"
"#;

impl RealNix {
    /// It, if it is there: else the test says that it is skipped, which `./test` does not let pass where Nix is.
    pub(crate) async fn find(test: &str) -> Option<Self> {
        if Command::new("nix").arg("--version").stdout(Stdio::null()).status().await.is_err() {
            let required = std::env::var_os("ICEFIELD_REQUIRE_NIX").is_some_and(|value| value == "1");
            assert!(!required, "{test}: nix is not there, and ICEFIELD_REQUIRE_NIX=1");
            eprintln!("{test}: skipped, nix is not there");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        for name in ["store", "home", "etc"] {
            std::fs::create_dir(home.path().join(name)).unwrap();
        }
        let mut nix = Self { home, top: "00000000000000000000000000000000-none".parse().unwrap() };
        let mut build = nix.command("nix-build");
        let built = build.args(["--no-out-link", "--expr", EXPRESSION]).output().await.unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        nix.top = nix.dir().path(String::from_utf8(built.stdout).unwrap().trim()).unwrap();
        Some(nix)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn dir(&self) -> StoreDir {
        self.path("store").to_str().unwrap().parse().unwrap()
    }

    pub(crate) fn top(&self) -> String {
        self.dir().join(&self.top)
    }

    pub(crate) fn store(&self) -> Arc<NixStore> {
        // The library reads no environment, so a script gives the real one what it needs.
        let script = self.path("nix");
        let set = |(name, value): (String, String)| format!("export {name}='{value}'\n");
        let text: String = self.environment().into_iter().map(set).collect();
        std::fs::write(&script, format!("#!/bin/sh\n{text}exec nix \"$@\"\n")).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Arc::new(NixStore::new(Nix::new(&script, None), self.dir(), self.path("store")))
    }

    fn environment(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.path(name).to_str().unwrap().to_owned();
        vec![
            ("NIX_STORE_DIR".into(), at("store")),
            ("NIX_STATE_DIR".into(), at("var")),
            ("NIX_LOG_DIR".into(), at("log")),
            ("NIX_CONF_DIR".into(), at("etc")),
            ("HOME".into(), at("home")),
            (
                "NIX_CONFIG".into(),
                "sandbox = false\nbuild-users-group =\nsubstituters =\nexperimental-features = nix-command".into(),
            ),
        ]
    }

    /// A command of it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// `nix copy`; gives whether it succeeded, and what it said.
    pub(crate) async fn copy(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command("nix").arg("copy").args(arguments).arg(self.top()).output().await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Another store, of the same paths, which is empty at first.
    pub(crate) fn other(&self, name: &str) -> String {
        let at = |part: &str| self.path(&format!("{name}-{part}")).display().to_string();
        format!("local?real={}&state={}&log={}", at("store"), at("var"), at("log"))
    }

    /// Where a path is in that store.
    pub(crate) fn in_other(&self, name: &str, path: &Path) -> PathBuf {
        self.path(&format!("{name}-store")).join(path)
    }
}
