use std::io;

use super::disk::Disk;

/// The file that remembers how far the log has come.
const NAME: &str = "mark";

/// The length of a hash in it.
const SEAL: usize = 8;

/// Remembers the newest entry that was on the disk, beside the log.
///
/// redb goes back to the commit before when the newest one is damaged, which after a crash is right: that one may not have
/// been complete. But an entry that was acknowledged must not be forgotten silently, and this is how that is noticed.
/// Nothing waits for the disk for this, so after a loss of power it may be older than the log; then it says nothing.
pub(super) fn set(disk: &dyn Disk, index: u64) -> io::Result<()> {
    let mut content = index.to_le_bytes().to_vec();
    let hash = blake3::hash(&content);
    content.extend_from_slice(&hash.as_bytes()[..SEAL]);
    disk.note(NAME, &content)
}

/// The newest entry that is known to have been on the disk; `None` if that is not known.
pub(super) fn get(disk: &dyn Disk) -> io::Result<Option<u64>> {
    let content = disk.read(NAME)?.unwrap_or_default();
    let Some((index, seal)) = content.split_at_checked(8) else { return Ok(None) };
    let valid = blake3::hash(index).as_bytes()[..SEAL] == *seal;
    Ok(valid.then(|| index.try_into().map(u64::from_le_bytes).unwrap_or_default()))
}

/// Forgets it, because another log begins.
pub(super) fn clear(disk: &dyn Disk) -> io::Result<()> {
    set(disk, 0)
}

#[cfg(test)]
mod tests {
    use super::super::disk::FolderDisk;
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_set_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let disk = FolderDisk::open(home.path().to_owned()).unwrap();
        assert_eq!(get(&disk).unwrap(), None);
        for index in [7, u64::MAX, 3] {
            set(&disk, index).unwrap();
            assert_eq!(get(&disk).unwrap(), Some(index));
        }
        let whole = std::fs::read(home.path().join(NAME)).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            std::fs::write(home.path().join(NAME), flipped).unwrap();
            assert_eq!(get(&disk).unwrap(), None, "byte {at}");
        }
    }
}
