//! The real Nix, in a store and a home of its own.

use std::path::Path;
use std::process::Command;

use icefield_emit::Tree;
use serde_json::Value;
use tempfile::TempDir;

use super::skip;

const EVALUATE: &str = include_str!("../nix/evaluate.nix");
const LIB: &str = include_str!("../nix/lib.nix");

/// A folder with emitted files, and `nix-instantiate` to evaluate them.
pub(crate) struct Nix {
    folder: TempDir,
}

impl Nix {
    /// Whether there is a Nix; if not, the test `test` is to be skipped.
    pub(crate) fn is_here(test: &str) -> bool {
        let here = Command::new("nix-instantiate").arg("--version").output().is_ok();
        if !here {
            let required = std::env::var_os("ICEFIELD_REQUIRE_NIX").is_some_and(|value| value == "1");
            assert!(!required, "{test}: nix-instantiate not found, and ICEFIELD_REQUIRE_NIX=1");
            skip(test, "nix-instantiate not found");
        }
        here
    }

    /// Writes `tree` out; `None` if there is no Nix.
    pub(crate) fn with(tree: &Tree, test: &str) -> Option<Self> {
        Self::is_here(test).then(|| Self::of(tree))
    }

    /// Writes `tree` out.
    pub(crate) fn of(tree: &Tree) -> Self {
        let nix = Self { folder: TempDir::new().expect("a folder for the test") };
        for (path, text) in tree.iter() {
            nix.write(path, text);
        }
        nix.write("test/lib.nix", LIB);
        nix.write("test/evaluate.nix", EVALUATE);
        nix
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    /// Where nixpkgs, or its lib alone, is on this machine.
    pub(crate) fn nixpkgs(&self) -> Option<String> {
        let found = Command::new("nix-instantiate").args(["--find-file", "nixpkgs"]).output().ok()?;
        let path = String::from_utf8(found.stdout).ok()?.trim().to_owned();
        (found.status.success() && Path::new(&path).join("lib").is_dir()).then_some(path)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What `expression`, in the folder, evaluates to.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let output = Command::new("nix-instantiate")
            .args(["--store", "dummy://", "--eval", "--strict", "--json", "--expr", expression])
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("NIX_STATE_DIR", self.path().join("state"))
            .output()
            .expect("nix-instantiate can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{expression} cannot be evaluated:\n{errors}");
        serde_json::from_slice(&output.stdout).expect("Nix writes JSON")
    }
}
