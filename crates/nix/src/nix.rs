use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::NixError;
use crate::call::Call;
use crate::version::Version;

/// Which Nix, and which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NixConfig {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// The store, if not the machine's own: a URL, as `nix --store` takes it.
    pub store: Option<String>,
}

impl Default for NixConfig {
    fn default() -> Self {
        Self { program: "nix".into(), store: None }
    }
}

impl NixConfig {
    /// The folder that the paths of a store are called by, where nothing else is said.
    pub const USUAL_FOLDER: &str = "/nix/store";

    /// The folder that the store's paths are called by: the usual one, if the store's URL names no other.
    pub fn store_folder(&self) -> &str {
        let parameters = self.store.as_deref().and_then(|store| store.split_once('?'));
        parameters.and_then(|(_, parameters)| given(parameters, "store")).unwrap_or(Self::USUAL_FOLDER)
    }

    /// Where that folder is on this machine.
    pub fn physical_folder(&self) -> PathBuf {
        let inside = PathBuf::from(self.physical(&format!("{}/x", self.store_folder())));
        inside.parent().map_or_else(PathBuf::new, Path::to_owned)
    }

    /// Where `path` of the store is on this machine: below another root, or in another folder, if the store says so.
    pub fn physical(&self, path: &str) -> String {
        let Some(store) = &self.store else { return path.to_owned() };
        let Some((_, parameters)) = store.split_once('?') else {
            let root = if store.starts_with('/') { store.trim_end_matches('/') } else { "" };
            return format!("{root}{path}");
        };
        let given = |name: &str| given(parameters, name);
        match (given("real"), given("root")) {
            (Some(real), _) => {
                let inside = path.strip_prefix(self.store_folder()).and_then(|inside| inside.strip_prefix('/'));
                format!("{real}/{}", inside.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default()))
            }
            (None, root) => format!("{}{path}", root.unwrap_or_default()),
        }
    }
}

/// A parameter of a store's URL.
fn given<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let value = parameters.split('&').find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='));
    value.map(|value| value.trim_end_matches('/'))
}

/// The `nix` of this machine.
#[derive(Debug, Clone)]
pub struct Nix {
    config: NixConfig,
    said: String,
}

/// How long it may take to say what it is.
const TO_SAY: Duration = Duration::from_secs(20);

impl Nix {
    /// Finds it and asks for its version.
    ///
    /// # Errors
    /// It is not there, too old, or does not run.
    pub fn find(config: NixConfig) -> Result<Self, NixError> {
        let mut command = Command::new(&config.program);
        command.arg("--version");
        let output = Call::new(command, "asking for its version").timeout(TO_SAY).run()?;
        let said = output.trim().to_owned();
        match Version::parse(&said) {
            Some(version) if version >= Version::LEAST => Ok(Self { config, said }),
            _ => Err(NixError::TooOld { program: config.program.to_string_lossy().into_owned(), said }),
        }
    }

    /// What it says of itself: `nix (Nix) 2.26.3`.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Which it is, and which store.
    pub const fn config(&self) -> &NixConfig {
        &self.config
    }

    /// A command of its; the features that not everybody has switched on are on for it.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.config.program);
        command.args(["--extra-experimental-features", "nix-command flakes"]);
        if let Some(store) = &self.config.store {
            command.args(["--store", store]);
        }
        command.args(arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_below_another_root_is_found() {
        let at = |store: Option<&str>| {
            NixConfig { store: store.map(str::to_owned), ..NixConfig::default() }.physical("/nix/store/x")
        };
        assert_eq!(at(None), "/nix/store/x");
        assert_eq!(at(Some("daemon")), "/nix/store/x");
        assert_eq!(at(Some("/mnt/")), "/mnt/nix/store/x");
        assert_eq!(at(Some("local?root=/mnt&trusted=1")), "/mnt/nix/store/x");
        assert_eq!(at(Some("local?store=/nix/store&real=/mnt/x/&state=/y")), "/mnt/x/x");
        assert_eq!(at(Some("local?store=/nix/store&state=/var/x")), "/nix/store/x");
    }

    #[test]
    fn the_folder_of_a_store_is_found() {
        let at = |store: Option<&str>| {
            let config = NixConfig { store: store.map(str::to_owned), ..NixConfig::default() };
            (config.store_folder().to_owned(), config.physical_folder().display().to_string())
        };
        let pair = |folder: &str, physical: &str| (folder.to_owned(), physical.to_owned());
        assert_eq!(at(None), pair("/nix/store", "/nix/store"));
        assert_eq!(at(Some("/mnt")), pair("/nix/store", "/mnt/nix/store"));
        assert_eq!(at(Some("local?store=/x/store&real=/mnt/x/&state=/y")), pair("/x/store", "/mnt/x"));
        assert_eq!(at(Some("local?store=/x/store&state=/y")), pair("/x/store", "/x/store"));
    }

    #[test]
    fn one_that_is_not_there_is_told() {
        let config = NixConfig { program: "/nowhere/nix".into(), store: None };
        let error = Nix::find(config).unwrap_err().to_string();
        assert!(error.contains("\"/nowhere/nix\"") && error.contains("install Nix"), "{error}");
        let config = NixConfig { program: "true".into(), store: None };
        assert!(Nix::find(config).unwrap_err().to_string().contains("2.8 or newer"));
    }
}
