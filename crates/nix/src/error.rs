use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why something could not be built or fetched.
#[derive(Debug, thiserror::Error)]
pub enum NixError {
    /// There is no such program.
    #[error(
        "there is no program {program:?}; install Nix (nixos.org/download, or the package nix-bin of Debian), or name it by \
         ICEFIELD_NIX"
    )]
    Absent {
        /// What was looked for.
        program: String,
    },
    /// It is older than what this can work with.
    #[error("{program} says it is {said:?}; Nix 2.8 or newer is needed")]
    TooOld {
        /// The program.
        program: String,
        /// What it says of itself.
        said: String,
    },
    /// It could not be run.
    #[error("cannot run {program}: {source}")]
    NotRun {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It failed; its own words are below.
    #[error("{what}: nix failed{}\n{said}", .log.as_ref().map_or_else(String::new, |log| format!("; the whole log is in {}", log.display())))]
    Failed {
        /// What it was to do.
        what: String,
        /// The last that it said.
        said: String,
        /// Where all that it said is.
        log: Option<PathBuf>,
    },
    /// It took too long.
    #[error("{what}: nix did not finish in {after:?}{}\n{said}", .log.as_ref().map_or_else(String::new, |log| format!("; the whole log is in {}", log.display())))]
    TimedOut {
        /// What it was to do.
        what: String,
        /// How long it was waited for.
        after: Duration,
        /// The last that it said.
        said: String,
        /// Where all that it said is.
        log: Option<PathBuf>,
    },
    /// It was not waited for any longer, because something else had failed or the user wished so.
    #[error("{what}: not done, because something else failed")]
    Stopped {
        /// What it was to do.
        what: String,
    },
    /// Its answer is none.
    #[error("{what}: nix answered what this cannot read: {answer}")]
    Unreadable {
        /// What it was asked.
        what: String,
        /// The beginning of the answer.
        answer: String,
    },
    /// A file is not there, or cannot be read or written.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was to be done with it.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is declared cannot be put into an expression.
    #[error("{what}: {reason}")]
    Declared {
        /// What is declared.
        what: String,
        /// Why not.
        reason: String,
    },
}

impl NixError {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
