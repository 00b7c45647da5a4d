//! Raft's own tests of a storage.

use openraft::storage::RaftLogStorage;
use openraft::testing::{StoreBuilder, Suite};
use std::sync::Arc;

use tempfile::TempDir;

use super::disk::{Disk, FolderDisk};
use super::log::LogStore;
use super::machine::Machine;
use super::snapshot::SnapshotFile;
use super::types::{StorageError, TypeConfig, Vote};

struct InTemporaryFolder;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for InTemporaryFolder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError> {
        let home = tempfile::tempdir().unwrap();
        let log = LogStore::open(disk(&home)).await.unwrap();
        let machine = Machine::open(SnapshotFile::new(disk(&home))).unwrap();
        Ok((home, log, machine))
    }
}

fn disk(home: &TempDir) -> Arc<dyn Disk> {
    Arc::new(FolderDisk::open(home.path().to_owned()).unwrap())
}

#[test]
fn the_storage_is_what_raft_expects() {
    Suite::test_all(InTemporaryFolder).unwrap();
}

#[tokio::test]
async fn a_lead_does_not_outlive_a_restart_and_a_vote_does() {
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(disk(&home)).await.unwrap();
    for (vote, after) in [
        (Vote::new_committed(3, 2), Vote::new(3, 2)),
        (Vote::new(4, 2), Vote::new(4, 2)),
        (Vote::new_committed(5, 1), Vote::new_committed(5, 1)),
    ] {
        log.save_vote(&vote).await.unwrap();
        log.step_down(2).await.unwrap();
        assert_eq!(log.read_vote().await.unwrap(), Some(after), "after {vote}");
    }
}

#[tokio::test]
async fn a_vote_survives_reopening_and_damage_is_told() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log-00000001");
    let mut log = LogStore::open(disk(&home)).await.unwrap();
    log.save_vote(&Vote::new(3, 2)).await.unwrap();
    log.close().await;
    let mut log = LogStore::open(disk(&home)).await.unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 2)));
    assert!(LogStore::open(disk(&home)).await.unwrap_err().to_string().contains("in use"));
    log.close().await;

    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in [0, 1, 100, used / 2, used] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = LogStore::open(disk(&home)).await.err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("damaged")), "cut to {length}: {error:?}");
    }
    std::fs::write(&path, vec![b'x'; whole.len()]).unwrap();
    assert!(LogStore::open(disk(&home)).await.unwrap_err().to_string().contains("damaged"));
    std::fs::remove_file(&path).unwrap();
    assert!(LogStore::open(disk(&home)).await.unwrap_err().to_string().contains("missing"));
    std::fs::write(&path, whole).unwrap();
    let mut log = LogStore::open(disk(&home)).await.unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 2)));
}
