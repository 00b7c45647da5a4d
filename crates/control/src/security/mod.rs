//! A server's own identity: where it comes from, and that it stays good; and the file of the audit log.

mod audit_file;
mod founding;
mod prepare;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use icefield_api::{IdentityError, JoinError, TrustMark};
use icefield_pki::{InvalidToken, PkiError};
use tokio::sync::watch;

pub(crate) use self::audit_file::write_audit;
pub(crate) use self::founding::{Founding, found};
pub(crate) use self::prepare::{Prepared, prepare};
use crate::raft::Group;

/// For how long a certificate is issued: it is renewed at half of that.
pub(crate) const VALIDITY: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a server is secured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Plain HTTP, and everyone on this machine may do everything: for `dev`, on loopback alone.
    Plain,
    /// TLS, certificates and tokens.
    Tls {
        /// The join token, for a server that joins.
        token: Option<String>,
        /// The URL that others reach it by; where it listens if absent.
        advertise: Option<String>,
    },
}

/// Why a server has no identity.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// Its identity cannot be read or kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A key or a certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its name cannot stand in a certificate.
    #[error("{0:?} cannot be a server's name; take lower-case letters, digits and dashes")]
    Name(String),
    /// Its token is none.
    #[error("{0}; `icefield join-token create --as-server` makes one")]
    Token(#[from] InvalidToken),
    /// It has none.
    #[error(
        "a server joins with a token, and there is none; `icefield join-token create --as-server` on the cluster makes one, \
         --token gives it"
    )]
    NoToken,
    /// It has no identity, and no way to get one.
    #[error(
        "there is no identity in {0}, and the state there has no authority to issue one: it is that of a cluster without \
         certificates, or it was never started"
    )]
    NoIdentity(PathBuf),
    /// Several servers are to form a cluster at once.
    #[error("a cluster is formed by one server (--new-cluster), and the others join it")]
    ManyFounders,
    /// The cluster did not let it join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its certificate names another.
    #[error(
        "the identity in {path} is that of {found}, and this is server {name}; give each server a folder of its own"
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// Whom it names.
        found: String,
        /// The server.
        name: String,
    },
}

/// Tells what the state says of whom the cluster trusts, until nobody listens.
pub(crate) async fn tell_mark(group: Arc<Group>, mark: watch::Sender<Option<TrustMark>>) {
    let mut changes = group.changes();
    loop {
        changes.borrow_and_update();
        let now = group.state().await.trust.mark;
        mark.send_if_modified(|before| std::mem::replace(before, now) != now);
        if changes.changed().await.is_err() {
            return;
        }
    }
}
