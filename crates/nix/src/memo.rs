use std::fs;
use std::path::{Path, PathBuf};

use icefield_spec::{Name, Revision, StorePath};
use serde::{Deserialize, Serialize};

use crate::expression::Files;
use crate::target::{Kind, Target};
use crate::{Closure, NixError};

/// What was built of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// The system that it was built for.
    pub system: String,
    /// Where it is in the store.
    pub path: StorePath,
    /// All that it needs.
    pub closure: Closure,
}

/// What was built before, by all that went in.
///
/// ```text
/// memo/<key>.json        what came out
/// work/<key>/build.nix   what is given to Nix
/// logs/<name>-<key>.log  what it said
/// roots/<project>/…      links that keep what was built last from being collected
/// ```
#[derive(Debug, Clone)]
pub struct Memo {
    folder: PathBuf,
}

impl Memo {
    /// Kept in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// What was built of `target`. Whether the store still has it is another question.
    pub(crate) fn find(&self, target: &Target) -> Option<Built> {
        if target.loose.is_some() {
            return None;
        }
        let text = fs::read(self.record(&target.key)).ok()?;
        let built: Built = serde_json::from_slice(&text).ok()?;
        let same = (built.kind, &built.name, &built.system) == (target.kind, &target.name, &target.system);
        same.then_some(built)
    }

    /// Remembers what was built.
    pub(crate) fn remember(&self, target: &Target, built: &Built) -> Result<(), NixError> {
        let path = self.record(&target.key);
        let text = serde_json::to_string(built).expect("declared types can be written as JSON");
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        make_folder_of(&path)?;
        fs::write(&beside, text).map_err(NixError::file("write", &beside))?;
        fs::rename(&beside, &path).map_err(NixError::file("write", &path))
    }

    /// Writes the expression of `target`; the folder that it is in.
    pub(crate) fn write(&self, target: &Target) -> Result<PathBuf, NixError> {
        let folder = self.folder.join("work").join(target.key.short());
        write_files(&folder, &target.files)?;
        Ok(folder)
    }

    pub(crate) fn log(&self, target: &Target) -> PathBuf {
        self.folder.join("logs").join(format!("{}-{}.log", target.name, target.key.short()))
    }

    /// Where the link is that keeps what was built of `target`.
    pub(crate) fn root(&self, target: &Target) -> Result<PathBuf, NixError> {
        let root = self.folder.join("roots").join(&target.root);
        make_folder_of(&root)?;
        Ok(root)
    }

    fn record(&self, key: &Revision) -> PathBuf {
        self.folder.join("memo").join(format!("{key}.json"))
    }
}

fn write_files(folder: &Path, files: &Files) -> Result<(), NixError> {
    for (name, text) in files {
        let path = folder.join(name);
        make_folder_of(&path)?;
        fs::write(&path, text).map_err(NixError::file("write", &path))?;
    }
    Ok(())
}

fn make_folder_of(path: &Path) -> Result<(), NixError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(NixError::file("create", folder))
}
