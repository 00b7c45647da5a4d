use std::io;
use std::path::PathBuf;

/// Why a server's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It was written by a later version.
    #[error(
        "{path} has format {found}, written by a newer icefield; this one reads up to format {reads}: start the newer \
         one"
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// The format it has.
        found: u64,
        /// The newest that this version reads.
        reads: u32,
    },
    /// It is another server's.
    #[error("{path} holds the data of server {owner:?}; give server {server:?} a folder of its own")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who wanted it.
        server: String,
    },
    /// It is of a group that other servers formed.
    #[error(
        "{path} holds the data of a group of {}, and this server is started in a group of {}; start it with the same \
         servers as before", before.join(", "), now.join(", ")
    )]
    OtherGroup {
        /// The folder.
        path: PathBuf,
        /// The members before.
        before: Vec<String>,
        /// The members now.
        now: Vec<String>,
    },
    /// A server that is to form or join a group is of one already.
    #[error(
        "{path} holds the data of a server; start it without --join and it goes on, or give the new one a folder of its own"
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to go on from.
    #[error("{path} holds no server's data; form a new cluster (--new-cluster) or join one (--join URL --token TOKEN)")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Another server uses it now.
    #[error("{path} is in use by another running server; stop that one first, or choose another folder")]
    InUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// A file in it is damaged.
    #[error(
        "{path} is damaged: {reason}; if the other servers of the group run, move the folder {} away and start again \
         with an empty one, and it is filled from them", path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
