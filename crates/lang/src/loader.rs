/// Gives the text of files.
pub trait Loader {
    /// The text of the file at `path`: relative to the root file's folder, normalised, separated by `/`.
    ///
    /// # Errors
    /// If there is no such text.
    fn read(&self, path: &str) -> Result<String, LoadError>;
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// It is a folder.
    #[error("it is a folder")]
    Folder,
    /// It is a device, a pipe or a socket.
    #[error("it is not a regular file")]
    Special,
    /// A symbolic link leads out of the root file's folder.
    #[error("a symbolic link leads out of the folder")]
    Outside,
    /// It is too large.
    #[error("it is larger than {} MiB", .limit >> 20)]
    TooLarge {
        /// The most that a file may have.
        limit: u64,
    },
    /// It is not text.
    #[error("it is not UTF-8 text (byte {at})")]
    NotText {
        /// The first byte at fault.
        at: usize,
    },
    /// The system says no.
    #[error("{0}")]
    Unreadable(String),
}

impl LoadError {
    /// What the author can do.
    pub(crate) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Missing => Some("check the spelling; the path is relative to the file that names it"),
            Self::Folder => Some("name a file in it"),
            Self::Outside => Some("copy the file into the folder"),
            Self::TooLarge { .. } => Some("split it, or generate what it lists by a loop"),
            Self::NotText { .. } => Some("is it really the file you mean? save it as UTF-8"),
            Self::Special | Self::Unreadable(_) => None,
        }
    }
}

/// Checks what every loader's text must fulfil.
pub(crate) fn check_text(text: &str, limit: u64) -> Result<(), LoadError> {
    if text.len() as u64 > limit {
        return Err(LoadError::TooLarge { limit });
    }
    match text.find('\0') {
        Some(at) => Err(LoadError::NotText { at }),
        None => Ok(()),
    }
}

/// Why a path in a file names no file of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPath {
    #[error("the path is empty")]
    Empty,
    #[error("the path is absolute")]
    Absolute,
    #[error("the path leads out of the folder")]
    Escapes,
    #[error("the path names a folder")]
    Folder,
}

/// The path that `path`, written in the file `from`, means: normalised and relative to the root file's folder.
pub(crate) fn resolve(from: &str, path: &str) -> Result<String, InvalidPath> {
    if path.is_empty() {
        return Err(InvalidPath::Empty);
    }
    if path.starts_with('/') {
        return Err(InvalidPath::Absolute);
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(InvalidPath::Escapes)?;
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() || matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        return Err(InvalidPath::Folder);
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        assert_eq!(resolve("icefield.star", "lib.star").as_deref(), Ok("lib.star"));
        assert_eq!(resolve("a/b.star", "./c//d.star").as_deref(), Ok("a/c/d.star"));
        assert_eq!(resolve("a/b.star", "../d.star").as_deref(), Ok("d.star"));
        assert_eq!(resolve("a.star", "b/../c.star").as_deref(), Ok("c.star"));
    }

    #[test]
    fn paths_stay_in_the_folder() {
        assert_eq!(resolve("a.star", "../b.star"), Err(InvalidPath::Escapes));
        assert_eq!(resolve("a/b.star", "../../c.star"), Err(InvalidPath::Escapes));
        assert_eq!(resolve("a.star", "b/../../c.star"), Err(InvalidPath::Escapes));
        assert_eq!(resolve("a.star", "/etc/passwd"), Err(InvalidPath::Absolute));
        assert_eq!(resolve("a.star", ""), Err(InvalidPath::Empty));
        assert_eq!(resolve("a.star", "b/"), Err(InvalidPath::Folder));
        assert_eq!(resolve("a/b.star", ".."), Err(InvalidPath::Folder));
    }
}
