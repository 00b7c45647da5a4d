use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use icefield_api::{Http, HttpOptions};
use icefield_cache::{Folder, Nix, NixStore, PublicKey, SecretKey, StoreDir, public_config};

use crate::command_error::CommandError;
use crate::connect;

/// Which Nix store is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct StoreArgs {
    /// The root of the Nix store, if it is not that of this machine: its paths are in ROOT/nix/store
    #[arg(long, value_name = "ROOT")]
    store_root: Option<PathBuf>,
    /// The `nix` to ask
    #[arg(long, value_name = "PROGRAM", default_value = "nix")]
    nix: PathBuf,
}

impl StoreArgs {
    pub(super) fn open(&self) -> Result<NixStore, CommandError> {
        let dir = store_dir()?;
        let (store, real) = match &self.store_root {
            None => (None, PathBuf::from(dir.to_string())),
            Some(root) => {
                let root = std::path::absolute(root)?;
                let real = root.join(dir.to_string().trim_start_matches('/'));
                (Some(root.to_string_lossy().into_owned()), real)
            }
        };
        if !real.is_dir() {
            return Err(CommandError::new(format!("there is no Nix store in {}", real.display()))
                .hint("--store-root ROOT names the root of another one"));
        }
        Ok(NixStore::new(Nix::new(&self.nix, store), dir, real))
    }
}

/// The folder that store paths are called by, as the Nix of this user has it.
pub(super) fn store_dir() -> Result<StoreDir, CommandError> {
    match std::env::var("NIX_STORE_DIR") {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|error| CommandError::because("NIX_STORE_DIR is not the folder of a store", &error))
        }
        _ => Ok(StoreDir::default()),
    }
}

/// The cache in a folder that is there.
pub(super) fn existing(path: &Path) -> Result<Folder, CommandError> {
    if !path.join("nix-cache-info").is_file() {
        return Err(CommandError::new(format!("{} is no Nix binary cache", path.display()))
            .hint("a cache is a folder with the file nix-cache-info; `icefield cache push --to DIR` makes one"));
    }
    open(path, None)
}

pub(super) fn open(path: &Path, store: Option<&StoreDir>) -> Result<Folder, CommandError> {
    Folder::open(path, store).map_err(|error| CommandError::because("the cache cannot be opened", &error))
}

/// Reads the key that is in a file.
pub(super) fn secret_key(path: &Path) -> Result<SecretKey, CommandError> {
    let text = read(path)?;
    text.parse().map_err(|error| {
        CommandError::because(format!("{} is no secret key", path.display()), &error)
            .hint("`icefield cache key generate NAME --out FILE` makes one")
    })
}

/// Reads a public key as Nix writes it.
pub(super) fn public_key(text: &str) -> Result<PublicKey, String> {
    text.parse().map_err(|error| format!("{error}"))
}

pub(super) fn read(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path)
        .map_err(|error| CommandError::because(format!("cannot read {}", path.display()), &error))
}

/// How the cache at an address is reached: over TLS, any that the authorities of this machine vouch for.
pub(super) fn http(url: &str) -> Result<Http, CommandError> {
    if url.starts_with("http://") {
        return Ok(Http::new(HttpOptions::default(), None));
    }
    let path = connect::authorities();
    let config = public_config(&read(&path)?)
        .map_err(|error| CommandError::because(format!("{} has no authorities to trust", path.display()), &error))?;
    Ok(Http::new(HttpOptions::default(), Some(config)))
}

/// Opens the store for several.
pub(super) fn shared(arguments: &StoreArgs) -> Result<Arc<NixStore>, CommandError> {
    arguments.open().map(Arc::new)
}
