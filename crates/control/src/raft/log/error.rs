use std::io;

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(in crate::raft) enum LogError {
    /// The disk does not do it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What is on the disk is not what was written.
    #[error("{file} is damaged: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry is longer than a log can have it.
    #[error("an entry is longer than 4 GiB")]
    TooLarge,
}

impl LogError {
    /// Whether the disk has no space left: then it may be tried again.
    pub(in crate::raft) fn is_full(&self) -> bool {
        matches!(self, Self::Io(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
