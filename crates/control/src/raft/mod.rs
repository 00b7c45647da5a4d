//! How the servers agree on the state: Raft, its storage, and its messages.
//!
//! Nothing of the Raft library is seen outside of this module: not its types, not its errors. A [`Group`] is all that
//! the rest knows.
//!
//! - The log and the vote are in the files of `log`, the newest entries also in memory.
//! - The state is in memory (`machine`), and on the disk as a snapshot and the log entries since.
//! - `propose` gathers commands into log entries, `confirm` gathers reads into confirmations of the leader.
//! - `network` sends messages to the other servers, `bulk` the large ones; `rpc` answers theirs.
//! - `membership` takes servers in and lets them go; `migrate` and `old_log` read what older versions wrote.
//! - [`Disk`] and [`Transport`] are the world, as a simulation can have another one.

mod backup;
mod bulk;
mod confirm;
mod disk;
mod folder;
mod folder_error;
mod group;
mod line;
mod log;
mod machine;
mod members;
mod membership;
mod migrate;
mod network;
mod old_log;
mod propose;
mod rpc;
mod runtime;
mod snapshot;
mod space;
mod start;
#[cfg(test)]
mod suite;
mod timings;
mod transport;
mod types;
mod voters;

pub use backup::{Known, RestoreError, Restored, known, new_group, recover, restore};
pub use disk::{Claim, Disk, DiskFile, FolderDisk};
pub use folder::is_used;
pub use folder_error::FolderError;
pub use group::{Group, GroupConfig, GroupError, Leader};
pub use members::{Founders, Member};
pub use membership::{MembershipError, Seat};
pub use propose::ProposeError;
pub(crate) use rpc::{GROUP_HEADER, TO_HEADER};
pub use rpc::{Rpc, RpcError};
pub use runtime::seed_elections;
pub use space::DiskFull;
pub use start::Start;
pub use timings::Timings;
pub use transport::{Message, Transport, TransportError};
