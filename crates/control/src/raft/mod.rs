//! How the servers agree on the state: Raft, its storage, and its messages.
//!
//! Nothing of the Raft library is seen outside of this module: not its types, not its errors. A [`Group`] is all that
//! the rest knows.
//!
//! - The log and the vote are in a redb file (`log_disk`, written by `log_writer` alone), the newest entries also in
//!   memory (`recent`); `log_store` is Raft's view of the three.
//! - The state is in memory (`machine`), and on the disk as a snapshot and the log entries since.
//! - `propose` gathers commands into log entries, `confirm` gathers reads into confirmations of the leader.
//! - `network` sends messages to the other servers, `bulk` the large ones; `rpc` answers theirs.

mod bulk;
mod confirm;
mod folder;
mod group;
mod line;
mod log_disk;
mod log_store;
mod log_writer;
mod machine;
mod members;
mod network;
mod propose;
mod recent;
mod rpc;
mod snapshot;
#[cfg(test)]
mod suite;
mod timings;
mod types;

pub use folder::FolderError;
pub use group::GroupError;
pub(crate) use group::{Group, GroupConfig, Leader};
pub use members::Member;
pub(crate) use members::Members;
pub use propose::ProposeError;
pub(crate) use rpc::{GROUP_HEADER, Rpc, RpcError, TO_HEADER};
pub use timings::Timings;
