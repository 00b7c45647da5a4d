/// Why a key, a certificate or a bundle of them cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// The system's source of random numbers failed.
    #[error("the system gives no random numbers, and no secret is made without them")]
    NoRandomness,
    /// A text is not what it should be.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// A private key and a certificate are not each other's.
    #[error("the private key is not the one that the certificate was issued for")]
    ForeignKey,
    /// A signing request is not one to issue a certificate for.
    #[error("the signing request is refused: {0}")]
    RefusedRequest(&'static str),
    /// The authority is too old, or the clock is wrong.
    #[error("the certificate authority is not valid at this time; check the clock, or rotate the authority")]
    AuthorityExpired,
    /// A time cannot stand in a certificate.
    #[error("{0} ms since 1970 is no time that a certificate can hold; check the clock")]
    InvalidTime(u64),
    /// The last authority cannot be taken away.
    #[error("a bundle without an authority would trust nobody")]
    EmptyBundle,
    /// A certificate or request could not be written.
    #[error("cannot write {what}: {reason}")]
    Unwritable {
        /// What should have been written.
        what: &'static str,
        /// Why it was not.
        reason: String,
    },
}

impl PkiError {
    pub(crate) fn unreadable(what: &'static str, reason: impl ToString) -> Self {
        Self::Unreadable { what, reason: reason.to_string() }
    }

    pub(crate) fn unwritable(what: &'static str, reason: impl ToString) -> Self {
        Self::Unwritable { what, reason: reason.to_string() }
    }
}
