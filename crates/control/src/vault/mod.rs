//! How secrets are sealed, so that what the servers write down of them opens nothing by itself.
//!
//! ```text
//! value ──data key──▶ sealed value      a key of its own for each version
//!            └──cluster key──▶ wrapped data key
//!                   └──each server's public key──▶ granted key
//! ```
//!
//! All of the right side is in the replicated state. The private key of a server is in its folder, in a file of its own that
//! is neither in the log nor in a snapshot nor in a backup. What is random is drawn here and never while a command is
//! applied.

mod cluster_key;
mod keeper;
mod recovery;
mod server_key;

pub use cluster_key::{ClusterKey, KeyId, Sealed};
pub(crate) use keeper::{Vault, keep, seats};
pub(crate) use recovery::take_over;
pub use recovery::{RecoveryError, RecoveryKey, RestoreSecrets};
pub use server_key::{Granted, PublicKey, ServerKey};

use zeroize::Zeroizing;

/// Why something cannot be sealed or opened. It tells nothing of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key does not fit, or what was sealed was changed.
    #[error("it cannot be opened: it was sealed with another key, or was changed")]
    Closed,
    /// What should be sealed or a key is not in the form that it should have.
    #[error("it is damaged")]
    Damaged,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    use ring::rand::SecureRandom;
    let mut bytes = Zeroizing::new([0; N]);
    ring::rand::SystemRandom::new().fill(&mut *bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(bytes)
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    data_encoding::BASE64.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| VaultError::Damaged)
}

fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
