//! Who is who in a cluster: certificates, TLS configurations and tokens.
//!
//! A cluster has an [`Authority`]. It issues each server and each node a certificate that names its [`Identity`], and
//! everyone trusts the [`Bundle`] of the cluster's authorities: one, or two while one takes over from the other.
//!
//! | who | has | uses |
//! |---|---|---|
//! | server | a [`Credential`] and the [`Bundle`] | [`server_config`] to listen, [`client_config`] to reach the others |
//! | node | the same | the same |
//! | one who joins | a [`JoinToken`] | [`joining_config`], then a [`KeyPair`] and its [`SigningRequest`] |
//! | a person | a [`UserToken`] | [`joining_config`], or [`client_config`] with the bundle it was given |
//!
//! A peer is known by its identity and never by its address: a verified chain must name the [`Expect`]ed identity,
//! whatever was dialled. Nothing that TLS checks is left out for that: chain, time, key usage and name are checked by
//! the same code that checks a web site.
//!
//! TLS 1.3 only, all cryptography by `ring`, passed explicitly: no configuration here depends on what the process has
//! installed as its default. Sessions are never resumed, so that who the peer is gets checked at every connection.
//! When a handshake fails, [`explain`] says why in words.
//!
//! Configurations do not change: after a renewal or a rotation make new ones, and use them for the next connection.
//!
//! Times are milliseconds since the Unix epoch. This crate knows nothing of HTTP, Raft or files.
//!
//! ```
//! use std::time::Duration;
//!
//! use icefield_pki::{
//!     Authority, Bundle, Credential, Expect, Identity, JoinToken, KeyPair, client_config, joining_config, server_config,
//! };
//! use icefield_spec::Name;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = 1_800_000_000_000;
//! let day = Duration::from_secs(24 * 3600);
//!
//! // The first server makes the authority, a certificate for itself, and listens.
//! let authority = Authority::create(&Name::new("shop")?, now)?;
//! let bundle = Bundle::from(&authority);
//! let key = KeyPair::generate()?;
//! let chain = authority.issue(&key.request()?, &Identity::Server(Name::new("s1")?), 90 * day, now)?;
//! let server = Credential::new(chain, key)?;
//! let listening = server_config(&bundle, &server);
//!
//! // An operator makes a token; the state keeps its id and its hash.
//! let token = JoinToken::generate(authority.fingerprint())?;
//! let (id, hash) = (token.id(), token.hash());
//!
//! // A machine that is given the token reaches the right cluster, and sends the token and a request.
//! let token: JoinToken = token.reveal().parse()?;
//! let joining = joining_config(token.authority());
//! let key = KeyPair::generate()?;
//! let request = key.request()?;
//!
//! // A server looks the token up by its id, checks it, and issues.
//! assert!(token.id() == id && token.verify(&hash));
//! let chain = authority.issue(&request, &Identity::Node(Name::new("n1")?), 30 * day, now)?;
//!
//! // From now on the machine is a node.
//! let node = Credential::new(chain, key)?;
//! let dialling = client_config(&bundle, Some(&node), Expect::Server);
//! # Ok(())
//! # }
//! ```

mod authority;
mod bundle;
mod chain;
mod credential;
mod error;
mod fingerprint;
mod identity;
mod key_pair;
mod pem;
mod request;
mod schema;
mod tls;
mod token;

pub use authority::Authority;
pub use bundle::Bundle;
pub use chain::Chain;
pub use credential::Credential;
pub use error::PkiError;
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use identity::{Identity, InvalidIdentity};
pub use key_pair::KeyPair;
pub use request::SigningRequest;
pub use rustls;
pub use tls::{Expect, client_config, explain, joining_config, nobody_config, server_config};
pub use token::{InvalidToken, Join, JoinToken, Kind, Token, TokenHash, TokenId, User, UserToken};
