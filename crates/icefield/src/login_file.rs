use std::fs;
use std::io;
use std::path::PathBuf;

use icefield_api::{Client, Held, HttpOptions, Keyring, write_secret};
use icefield_pki::{Bundle, Expect};
use serde::{Deserialize, Serialize};

use crate::command_error::CommandError;

/// The cluster that this user is logged in to: `cluster.json`, which only the user can read.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LoginFile {
    /// The version of this form.
    schema: u32,
    /// The URLs of the servers.
    pub(crate) servers: Vec<String>,
    /// Whom the cluster trusts.
    bundle: Bundle,
    /// The user's token.
    pub(crate) token: String,
}

impl LoginFile {
    /// What is to be remembered of a cluster.
    pub(crate) fn new(servers: Vec<String>, bundle: Bundle, token: String) -> Self {
        Self { schema: 1, servers, bundle, token }
    }

    /// Where it is: in `$ICEFIELD_HOME`, else in `$XDG_CONFIG_HOME/icefield`, else in `~/.config/icefield`.
    pub(crate) fn path() -> Result<PathBuf, CommandError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("ICEFIELD_HOME")
            .or_else(|| set("XDG_CONFIG_HOME").map(|config| config.join("icefield")))
            .or_else(|| set("HOME").map(|home| home.join(".config/icefield")));
        let folder = folder.ok_or_else(|| {
            CommandError::new("neither ICEFIELD_HOME nor HOME is set").hint("set ICEFIELD_HOME to a folder")
        })?;
        Ok(folder.join("cluster.json"))
    }

    /// The one of this user; `None` if it is logged in nowhere.
    pub(crate) fn load() -> Result<Option<Self>, CommandError> {
        let path = Self::path()?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CommandError::because(format!("cannot read {}", path.display()), &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            CommandError::because(format!("{} is damaged", path.display()), &error)
                .hint("remove it and log in again: icefield login URL")
        })
    }

    /// Keeps it.
    pub(crate) fn save(&self) -> Result<(), CommandError> {
        let path = Self::path()?;
        let failed =
            |error: &dyn std::error::Error| CommandError::because(format!("cannot write {}", path.display()), error);
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| write_secret(&path, &text)).map_err(|error| failed(&error))
    }

    /// A client of the cluster. When an answer says that the authorities have changed, the file follows.
    pub(crate) fn client(self) -> Client {
        let servers = self.servers.clone();
        self.client_of(servers)
    }

    /// The same for these of its servers.
    pub(crate) fn client_of(self, servers: Vec<String>) -> Client {
        let token = self.token.clone();
        let held = Held { bundle: self.bundle.clone(), credential: None };
        let keyring = Keyring::told(held, move |held| {
            let file = Self { bundle: held.bundle.clone(), ..self.clone() };
            if let Err(error) = file.save() {
                crate::output::complain(&error.text());
            }
        });
        let http = keyring.http(HttpOptions::default(), Expect::Server);
        Client::over(http, servers).bearing(&token).following(keyring)
    }
}
