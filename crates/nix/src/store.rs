use std::fs;
use std::path::Path;
use std::time::Duration;

use icefield_spec::StorePath;

use crate::call::Call;
use crate::{Closure, Nix, NixError};

/// Where an agent fetches closures from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Binary caches by URL, asked before those that the machine's own configuration names.
    pub substituters: Vec<String>,
    /// The public keys that closures may be signed with, besides those that the machine trusts anyway.
    pub trusted_keys: Vec<String>,
    /// Whether caches are asked for what they may have said they have not, or have, before.
    pub asked_anew: bool,
}

impl Sources {
    /// The same for a command of Nix.
    pub fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut option = |name: &str, value: &str| options.extend(["--option", name, value].map(str::to_owned));
        if !self.substituters.is_empty() {
            option("extra-substituters", &self.substituters.join(" "));
        }
        if !self.trusted_keys.is_empty() {
            option("extra-trusted-public-keys", &self.trusted_keys.join(" "));
        }
        if self.asked_anew {
            option("narinfo-cache-negative-ttl", "0");
            option("narinfo-cache-positive-ttl", "0");
        }
        options
    }
}

/// How long fetching or copying a closure may take.
const TO_COPY: Duration = Duration::from_secs(3600);

impl Nix {
    /// Has `path` and all that it needs in the store, and keeps it there for as long as the link `root` exists. Nothing is
    /// evaluated and nothing is built from source: what is not there is fetched.
    ///
    /// # Errors
    /// It is nowhere, or not signed by anyone that is trusted.
    pub fn realise(&self, path: &StorePath, root: &Path, sources: &Sources) -> Result<(), NixError> {
        if let Some(folder) = root.parent() {
            fs::create_dir_all(folder).map_err(NixError::file("create", folder))?;
        }
        let mut command = self.command(["build", path.as_str(), "--out-link"]);
        command.arg(root).args(["--max-jobs", "0", "--builders", ""]).args(sources.options());
        Call::new(command, format!("fetching {path}")).timeout(TO_COPY).run().map(drop)
    }

    /// Opens the store, which makes it if it is new.
    pub(crate) fn open_store(&self) -> Result<(), NixError> {
        Call::new(self.command(["store", "ping"]), "opening the store").run().map(drop)
    }

    /// Which of `paths` the store has, with what is known of each.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub fn known(&self, paths: &[StorePath]) -> Result<Closure, NixError> {
        if paths.is_empty() {
            return Ok(Closure::default());
        }
        let arguments = ["path-info", "--json"].into_iter().chain(paths.iter().map(StorePath::as_str));
        self.path_info(arguments, "asking which paths the store has")
    }

    /// All that `path` needs.
    ///
    /// # Errors
    /// The store does not have it whole.
    pub fn closure(&self, path: &StorePath) -> Result<Closure, NixError> {
        let what = format!("asking what {path} needs");
        self.path_info(["path-info", "--json", "--recursive", path.as_str()], &what)
    }

    fn path_info<'a>(&self, arguments: impl IntoIterator<Item = &'a str>, what: &str) -> Result<Closure, NixError> {
        let answer = Call::new(self.command(arguments), what).run()?;
        Closure::parse(&answer)
            .ok_or_else(|| NixError::Unreadable { what: what.into(), answer: answer.chars().take(200).collect() })
    }

    /// The reference of a flake as it is now, with its revision. Nothing is evaluated.
    pub(crate) fn lock_flake(&self, url: &str) -> Result<String, NixError> {
        let what = format!("looking for the flake {url}");
        let answer =
            Call::new(self.command(["flake", "metadata", "--json", "--no-write-lock-file", url]), &*what).run()?;
        let parsed: Option<serde_json::Value> = serde_json::from_str(&answer).ok();
        let locked = parsed.as_ref().and_then(|answer| answer["url"].as_str());
        locked
            .map(str::to_owned)
            .ok_or_else(|| NixError::Unreadable { what, answer: answer.chars().take(200).collect() })
    }

    /// Signs `paths` and all that they need with the secret key in a file (`nix key generate-secret` makes one).
    ///
    /// # Errors
    /// The key cannot be read or is none.
    pub fn sign(&self, paths: &[StorePath], key: &Path) -> Result<(), NixError> {
        let mut command = self.command(["store", "sign", "--recursive", "--key-file"]);
        command.arg(key).args(paths.iter().map(StorePath::as_str));
        Call::new(command, "signing what was built").run().map(drop)
    }

    /// Copies `paths` and all that they need to another store: `https://cache.example`, `file:///srv/cache`, `ssh-ng://node`.
    ///
    /// # Errors
    /// The other store cannot be reached or refuses it.
    pub fn copy_to(&self, paths: &[StorePath], store: &str) -> Result<(), NixError> {
        let mut command = self.command(["copy", "--to", store]);
        command.args(paths.iter().map(StorePath::as_str));
        Call::new(command, format!("copying what was built to {store}")).timeout(TO_COPY).run().map(drop)
    }
}
