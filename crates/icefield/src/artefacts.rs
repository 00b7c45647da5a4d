use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use icefield_emit::File;

use crate::command_error::CommandError;

/// A folder of written artefacts, with a list of what was written so that the next run can remove what is no more.
#[derive(Debug)]
pub(crate) struct Artefacts {
    folder: PathBuf,
    before: BTreeSet<String>,
    now: BTreeSet<String>,
}

/// The list's name.
const LIST: &str = ".icefield-files";

impl Artefacts {
    /// Makes `folder` ready: a new or empty one, or one that an earlier run wrote.
    pub(crate) fn open(folder: &Path) -> Result<Self, CommandError> {
        fs::create_dir_all(folder).map_err(|error| cannot("create", folder, &error))?;
        let before = match fs::read_to_string(folder.join(LIST)) {
            Ok(list) => list.lines().filter(|path| is_within(path)).map(str::to_owned).collect(),
            Err(_) => {
                let mut entries = fs::read_dir(folder).map_err(|error| cannot("read", folder, &error))?;
                if entries.next().is_some() {
                    return Err(CommandError::new(format!("{} holds files that are not Icefield's", folder.display()))
                        .hint("name a new or an empty folder"));
                }
                // From now on the folder is known as ours, also if this run is interrupted.
                let list = folder.join(LIST);
                fs::write(&list, "").map_err(|error| cannot("write", &list, &error))?;
                BTreeSet::new()
            }
        };
        Ok(Self { folder: folder.to_path_buf(), before, now: BTreeSet::new() })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes `files` and notes that they belong here.
    pub(crate) fn write(&mut self, files: Vec<File>) -> Result<(), CommandError> {
        let paths = Self::write_files(&self.folder, files, self.is_new())?;
        self.add(paths);
        Ok(())
    }

    /// Notes that the files at `paths`, already written, belong here.
    pub(crate) fn add(&mut self, paths: Vec<String>) {
        self.now.extend(paths);
    }

    /// Whether the folder held nothing before.
    pub(crate) fn is_new(&self) -> bool {
        self.before.is_empty()
    }

    /// Writes `files` below `folder`, and gives their paths. Unless the folder `is_new`, a file that is as it should be
    /// is left alone, so that its time tells when it last changed.
    pub(crate) fn write_files(folder: &Path, files: Vec<File>, is_new: bool) -> Result<Vec<String>, CommandError> {
        let mut paths = Vec::with_capacity(files.len());
        for file in files {
            let path = folder.join(&file.path);
            if !is_new && fs::read(&path).is_ok_and(|bytes| bytes == file.text.as_bytes()) {
                paths.push(file.path);
                continue;
            }
            let written = fs::write(&path, &file.text).or_else(|_| {
                fs::create_dir_all(path.parent().unwrap_or(folder))?;
                fs::write(&path, &file.text)
            });
            written.map_err(|error| cannot("write", &path, &error))?;
            paths.push(file.path);
        }
        Ok(paths)
    }

    /// Removes what an earlier run wrote and this one did not; gives the number of files there are.
    pub(crate) fn finish(self) -> Result<usize, CommandError> {
        let mut list = String::new();
        for path in &self.now {
            list.push_str(path);
            list.push('\n');
        }
        let path = self.folder.join(LIST);
        fs::write(&path, list).map_err(|error| cannot("write", &path, &error))?;
        for gone in self.before.difference(&self.now) {
            let path = self.folder.join(gone);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(cannot("remove", &path, &error));
                }
                _ => {}
            }
            // Folders go when nothing is left in them; an error says that something is.
            let mut folder = path.parent();
            while let Some(empty) = folder.filter(|folder| *folder != self.folder) {
                if fs::remove_dir(empty).is_err() {
                    break;
                }
                folder = empty.parent();
            }
        }
        Ok(self.now.len())
    }
}

/// Whether a path of the list stays below the folder: the list may have been edited.
fn is_within(path: &str) -> bool {
    let path = Path::new(path);
    path.components().all(|component| matches!(component, std::path::Component::Normal(_)))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::because(format!("cannot {what} {}", path.display()), error)
}
