use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SystemdConfig;
use crate::record;

/// Part of `run.json`: the units that a replica is, so that whoever comes after this agent finds all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitOrder {
    /// Whose units they are.
    pub(crate) manager: SystemdConfig,
    /// What is started and stopped.
    pub(crate) target: String,
    /// The service whose main process stands for the replica; none where no service stays.
    pub(crate) main: Option<String>,
    /// The units that must be active, `main` among them.
    #[serde(alias = "services")]
    pub(crate) watched: Vec<String>,
    /// All other units of it that may run.
    pub(crate) others: Vec<String>,
    /// What is in the manager's folder, by path.
    pub(crate) files: BTreeMap<String, UnitFile>,
    /// The files and folders below `/etc` that were not there, so that systemd makes them to bind files to.
    pub(crate) bound: Vec<PathBuf>,
    /// The file with its secret variables, in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secrets: Option<PathBuf>,
}

/// A file in the manager's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnitFile {
    /// A link to a file of a closure.
    Link(String),
    /// A text.
    Text(String),
}

impl UnitOrder {
    /// The units that must be active.
    pub(super) fn watched(&self) -> Vec<&str> {
        self.watched.iter().map(String::as_str).collect()
    }

    /// Whether `name` is the service whose process stands for the replica.
    pub(super) fn is_main(&self, name: &str) -> bool {
        self.main.as_deref() == Some(name)
    }

    /// All that may run of it. What nobody could name, as instances of its templates, is in its slice.
    pub(crate) fn all(&self) -> Vec<&str> {
        let units = self.watched.iter().chain(&self.others).map(String::as_str);
        std::iter::once(self.target.as_str()).chain(units).chain(self.slice()).collect()
    }

    /// What holds all units of a tree; none where the replica is one service.
    fn slice(&self) -> Option<&str> {
        self.files.keys().map(String::as_str).find(|name| name.ends_with(".slice"))
    }

    /// Puts into the manager's folder what is to be there, and takes away what `before` had there besides; what was not as
    /// it is to be, by name. Before it counts, the manager has to be told.
    pub(super) fn put(&self, before: Option<&Self>) -> io::Result<Vec<String>> {
        let mut changed = Vec::new();
        for (name, file) in &self.files {
            let path = self.manager.unit_dir.join(name);
            if !file.is_at(&path) {
                file.put(&path)?;
                changed.push(name.clone());
            }
        }
        if let Some(before) = before {
            for name in before.files.keys().filter(|name| !self.files.contains_key(*name)) {
                before.take_away(name);
                changed.push(name.clone());
            }
        }
        Ok(changed)
    }

    /// Takes all of it out of the manager's folder, and has the manager know.
    pub(crate) fn withdraw(&self) {
        self.remove();
        self.manager.reload_soon();
    }

    fn remove(&self) {
        for name in self.files.keys() {
            self.take_away(name);
        }
        self.unbind();
        self.forget_secrets();
    }

    /// Takes note that it has started: one service has its secret variables then. Of a tree each command reads them anew,
    /// those that a timer starts and those that stop it among them.
    pub(super) fn has_started(&self) {
        if self.slice().is_none() {
            self.forget_secrets();
        }
    }

    /// Deletes the file with its secret variables.
    pub(super) fn forget_secrets(&self) {
        let Some(secrets) = &self.secrets else { return };
        if let Err(error) = record::delete(secrets) {
            tracing::warn!(%error, "secret variables stay");
        }
    }

    /// Takes away what systemd made to bind files to, once nothing of it runs. An empty file or folder was all that it needed.
    pub(super) fn unbind(&self) {
        for path in self.bound.iter().rev() {
            let Ok(data) = fs::symlink_metadata(path) else { continue };
            let _ = if data.is_dir() {
                fs::remove_dir(path)
            } else if data.is_file() && data.len() == 0 {
                fs::remove_file(path)
            } else {
                Ok(())
            };
        }
    }

    /// Kills what runs of it, and takes it away, in this thread.
    pub(crate) fn end_now(&self) {
        self.manager.end_now(&self.all());
        self.remove();
    }

    fn take_away(&self, name: &str) {
        let path = self.manager.unit_dir.join(name);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "{} stays", path.display());
        }
        if let Some(folder) = path.parent().filter(|folder| *folder != self.manager.unit_dir) {
            // Others may have put something into it, which is theirs.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl UnitFile {
    fn is_at(&self, path: &Path) -> bool {
        match self {
            Self::Link(target) => fs::read_link(path).is_ok_and(|found| found == Path::new(target)),
            Self::Text(text) => {
                let is_file = fs::symlink_metadata(path).is_ok_and(|data| data.is_file());
                is_file && fs::read(path).is_ok_and(|found| found == text.as_bytes())
            }
        }
    }

    /// The manager sees the one before or this one, never a part.
    fn put(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_added_extension("icefield-new");
        let _ = fs::remove_file(&new);
        match self {
            Self::Link(target) => symlink(target, &new)?,
            Self::Text(text) => fs::write(&new, text)?,
        }
        fs::rename(&new, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(folder: &Path, files: &[(&str, UnitFile)]) -> UnitOrder {
        UnitOrder {
            manager: SystemdConfig { unit_dir: folder.into(), ..SystemdConfig::system() },
            target: "a.target".into(),
            main: Some("a.service".into()),
            watched: vec!["a.service".into()],
            others: Vec::new(),
            files: files.iter().map(|(name, file)| ((*name).to_owned(), file.clone())).collect(),
            bound: Vec::new(),
            secrets: None,
        }
    }

    #[test]
    fn what_is_not_as_it_is_to_be_is_put_right_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        let text = UnitFile::Text("[Unit]\n".into());
        let link = UnitFile::Link("/nowhere".into());
        let first = order(folder, &[("a.service", link.clone()), ("a.service.d/50.conf", text.clone())]);
        assert_eq!(first.put(None).unwrap(), ["a.service", "a.service.d/50.conf"]);
        assert_eq!(first.put(None).unwrap(), Vec::<String>::new());
        fs::write(folder.join("a.service.d/50.conf"), "[Unit]\nx\n").unwrap();
        fs::remove_file(folder.join("a.service")).unwrap();
        assert_eq!(first.put(None).unwrap(), ["a.service", "a.service.d/50.conf"]);
        fs::write(folder.join("machines.service"), "").unwrap();
        let second = order(folder, &[("b.service", text)]);
        assert_eq!(second.put(Some(&first)).unwrap(), ["b.service", "a.service", "a.service.d/50.conf"]);
        second.remove();
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["machines.service"]);
    }

    #[test]
    fn the_secrets_of_a_tree_are_there_until_it_ends() {
        let root = tempfile::tempdir().unwrap();
        let secrets = root.path().join("variables.env");
        let with = |files: &[(&str, UnitFile)]| {
            fs::write(&secrets, "A=x").unwrap();
            UnitOrder { secrets: Some(secrets.clone()), ..order(root.path(), files) }
        };
        with(&[]).has_started();
        assert!(!secrets.exists(), "one service has read them");
        let tree = with(&[("a.slice", UnitFile::Text("[Slice]\n".into()))]);
        tree.has_started();
        assert!(secrets.exists() && tree.all() == ["a.target", "a.service", "a.slice"]);
        tree.forget_secrets();
        assert!(!secrets.exists());
    }

    #[test]
    fn what_was_made_to_bind_files_to_goes_unless_it_is_used() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("made/by")).unwrap();
        fs::write(at("made/by/systemd"), "").unwrap();
        fs::write(at("full"), "x").unwrap();
        let mut order = order(root.path(), &[]);
        order.bound = vec![at("made"), at("made/by"), at("made/by/systemd"), at("full"), at("never")];
        order.remove();
        assert!(!at("made").exists() && at("full").exists());
    }
}
