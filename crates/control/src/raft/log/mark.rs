use std::io;

use crate::raft::disk::Disk;

/// The file that remembers how far the log has come.
const NAME: &str = "flushed";

/// The length of a hash in it.
const SEAL: usize = 8;

/// Remembers the newest write that is on the disk, beside the log.
///
/// A last write that is damaged looks like one that a crash tore, which was never acknowledged. One that was must not be
/// forgotten silently, and this is how that is noticed. Nothing waits for the disk for this, so after a loss of power it may
/// be older than the log; then it says nothing.
pub(super) fn set(disk: &dyn Disk, write: u64) -> io::Result<()> {
    let mut content = write.to_le_bytes().to_vec();
    let hash = blake3::hash(&content);
    content.extend_from_slice(&hash.as_bytes()[..SEAL]);
    disk.note(NAME, &content)
}

/// The newest write that is known to have been on the disk; `None` if that is not known.
pub(super) fn get(disk: &dyn Disk) -> io::Result<Option<u64>> {
    Ok(disk.read(NAME)?.and_then(|content| parse(&content)))
}

/// Whether anything was ever written.
pub(super) fn is_set(disk: &dyn Disk) -> io::Result<bool> {
    Ok(disk.size(NAME)?.is_some())
}

/// Forgets it, because another log begins.
pub(super) fn clear(disk: &dyn Disk) -> io::Result<()> {
    disk.remove(NAME)
}

/// The number in such a file, which earlier formats had too.
pub(in crate::raft) fn parse(content: &[u8]) -> Option<u64> {
    let (number, seal) = content.split_first_chunk::<8>()?;
    (blake3::hash(number).as_bytes()[..SEAL] == *seal).then(|| u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::disk::FolderDisk;

    #[test]
    fn a_mark_is_read_as_it_was_set_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let disk = FolderDisk::open(home.path().to_owned()).unwrap();
        assert_eq!((get(&disk).unwrap(), is_set(&disk).unwrap()), (None, false));
        for write in [7, u64::MAX, 3] {
            set(&disk, write).unwrap();
            assert_eq!(get(&disk).unwrap(), Some(write));
        }
        let whole = std::fs::read(home.path().join(NAME)).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            std::fs::write(home.path().join(NAME), flipped).unwrap();
            assert_eq!((get(&disk).unwrap(), is_set(&disk).unwrap()), (None, true), "byte {at}");
        }
        clear(&disk).unwrap();
        assert!(!is_set(&disk).unwrap());
    }
}
