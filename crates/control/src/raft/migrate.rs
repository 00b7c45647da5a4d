use std::sync::Arc;

use serde_json::{Value, json};

use super::disk::Disk;
use super::folder::FolderError;
use super::log_disk::LogDisk;
use super::log_store::LogStore;
use super::snapshot::{self, SnapshotFile};

/// Brings the log and the snapshot of a folder of the first format to the present one: there, a group's members were
/// fixed and had no names of their own in the log.
///
/// It may be interrupted and begun again: the label, which says that it is done, is written last.
pub(super) fn from_first(disk: &Arc<dyn Disk>, founders: &[String]) -> Result<(), FolderError> {
    if disk.size(LogStore::NAME).is_ok_and(|size| size.is_some()) {
        let log = LogDisk::open_unread(Arc::clone(disk), LogStore::NAME)?;
        let name = |entry: &mut Value| {
            if let Some(membership) = entry.pointer_mut("/payload/Membership") {
                name_members(membership, founders);
            }
        };
        log.seal(name).map_err(|error| damaged(&**disk, LogStore::NAME, &error))?;
    }
    let io = |source| FolderError::Io { path: disk.path(SnapshotFile::NAME), source };
    if let Some(bytes) = disk.read(SnapshotFile::NAME).map_err(io)? {
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let header = serde_json::from_slice(&bytes[..line]);
        let mut header: Value = header.map_err(|error| damaged(&**disk, SnapshotFile::NAME, &error))?;
        if header.pointer_mut("/membership/membership").is_some_and(|membership| name_members(membership, founders)) {
            header["format"] = snapshot::FORMAT.into();
            let mut content = header.to_string().into_bytes();
            content.extend_from_slice(&bytes[line..]);
            disk.replace(SnapshotFile::NAME, &content).map_err(io)?;
        }
    }
    Ok(())
}

fn damaged(disk: &dyn Disk, name: &str, reason: &dyn std::error::Error) -> FolderError {
    FolderError::Damaged { path: disk.path(name), reason: reason.to_string() }
}

/// Gives the nodes of a membership the form that they have now; whether any did not have it.
fn name_members(membership: &mut Value, founders: &[String]) -> bool {
    let mut changed = false;
    for (number, node) in membership.get_mut("nodes").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(api) = node.get("addr").cloned() {
            let place = number.parse::<usize>().ok().and_then(|number| founders.get(number.checked_sub(1)?));
            *node = json!({ "name": place, "api": api });
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_get_names_once() {
        let founders = ["a".to_owned(), "b".to_owned()];
        let mut membership = json!({ "configs": [[1, 2]], "nodes": { "1": { "addr": "x" }, "2": { "addr": "y" } } });
        assert!(name_members(&mut membership, &founders));
        assert_eq!(membership["nodes"]["2"], json!({ "name": "b", "api": "y" }));
        assert!(!name_members(&mut membership, &founders));
    }
}
