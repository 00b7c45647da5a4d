//! The Nix binary cache: NARs, narinfos and signatures, the server that hands them out and takes them in, and what gets
//! them from others.

mod cache_info;
mod checker;
mod compression;
mod fetch;
mod folder;
mod hash;
pub mod nar;
mod narinfo;
mod nix32;
mod push;
mod server;
mod signature;
mod store;
mod store_path;
mod tls;
mod turn;

pub use cache_info::CacheInfo;
pub use compression::Compression;
pub use fetch::{FetchError, FetchOptions, Fetcher, Peer, Peers, Source};
pub use folder::{Bad, Collected, Collection, Folder, FolderError, Verification};
pub use hash::{Hash, InvalidHash};
pub use narinfo::{InvalidNarInfo, LARGEST_NARINFO, NarInfo};
pub use push::{Place, Push, PushError, Pushed};
pub use server::{Cache, Closures, Limits, Security, Server, Tokens};
pub use signature::{InvalidKey, PublicKey, SecretKey, Signature};
pub use store::{Nix, NixStore, QueryError};
pub use store_path::{InvalidStorePath, PathHash, StoreDir, StorePath};
pub use tls::{InvalidCertificate, certificate_config, public_config};
