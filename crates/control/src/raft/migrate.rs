use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::disk::Disk;
use super::folder_error::FolderError;
use super::log::{self, Change, LogDisk};
use super::old_log::{self, OldLog};
use super::snapshot::SnapshotFile;
use super::types::LogId;

/// The file in which the first two formats remembered their newest entry.
const OLD_MARK: &str = "mark";

/// Brings the log and the snapshot of a folder of an earlier format to the present one. In the first one, a group's members
/// were fixed and had no names of their own in the log: `founders` are these names.
///
/// It may be interrupted and begun again: nothing old is changed but the snapshot's members, and the label, which says that
/// it is done, is written after it.
pub(super) fn migrate(disk: &Arc<dyn Disk>, founders: &[String]) -> Result<(), FolderError> {
    let path = disk.path(old_log::NAME);
    let io = |source| FolderError::Io { path: path.clone(), source };
    if disk.size(old_log::NAME).map_err(io)?.is_some() {
        let mut old = OldLog::read(&path).map_err(|error| match error {
            redb::Error::DatabaseAlreadyOpen => FolderError::InUse { path: path.clone() },
            error => damaged(&**disk, old_log::NAME, &error),
        })?;
        check_mark(&**disk, &old)?;
        for (_, entry) in &mut old.entries {
            if let Some(membership) = entry.pointer_mut("/payload/Membership") {
                name_members(membership, founders);
            }
        }
        log::remove(&**disk).map_err(io)?;
        write(disk, old)?;
    }
    name_members_of_snapshot(disk, founders)
}

/// Removes what a folder that has been brought to the present format has no use for.
pub(super) fn tidy(disk: &dyn Disk) -> Result<(), FolderError> {
    for name in [old_log::NAME, OLD_MARK] {
        disk.remove(name).map_err(|source| FolderError::Io { path: disk.path(name), source })?;
    }
    Ok(())
}

/// Whether the old log comes as far as it once did.
fn check_mark(disk: &dyn Disk, old: &OldLog) -> Result<(), FolderError> {
    let content = disk.read(OLD_MARK).map_err(|source| FolderError::Io { path: disk.path(OLD_MARK), source })?;
    let purged = old.purged.as_ref().and_then(|purged| purged.get("index")?.as_u64());
    let last = old.entries.last().map(|(index, _)| *index).or(purged).unwrap_or_default();
    match content.and_then(|content| log::parse_mark(&content)) {
        Some(marked) if marked > last => {
            let reason = format!("it ends with entry {last}, though entry {marked} was written and acknowledged");
            Err(FolderError::Damaged { path: disk.path(old_log::NAME), reason })
        }
        _ => Ok(()),
    }
}

fn write(disk: &Arc<dyn Disk>, old: OldLog) -> Result<(), FolderError> {
    let unreadable = |error: serde_json::Error| damaged(&**disk, old_log::NAME, &error);
    let mut changes = Vec::new();
    changes.extend(fact(old.purged).map_err(unreadable)?.map(Change::Purge));
    let entries: Result<Vec<_>, _> =
        old.entries.iter().map(|(index, entry)| Ok((*index, log::encode(entry)?))).collect();
    let written = |error: log::LogError| damaged(&**disk, old_log::NAME, &error);
    changes.push(Change::Append(entries.map_err(written)?));
    changes.extend(fact(old.vote).map_err(unreadable)?.map(Change::Vote));
    let committed: Option<LogId> = fact(old.committed).map_err(unreadable)?;
    LogDisk::open(Arc::clone(disk))?.write(&changes, committed).map_err(written)
}

fn fact<T: DeserializeOwned>(value: Option<Value>) -> Result<Option<T>, serde_json::Error> {
    value.map(serde_json::from_value).transpose()
}

fn name_members_of_snapshot(disk: &Arc<dyn Disk>, founders: &[String]) -> Result<(), FolderError> {
    let io = |source| FolderError::Io { path: disk.path(SnapshotFile::NAME), source };
    let Some(bytes) = disk.read(SnapshotFile::NAME).map_err(io)? else { return Ok(()) };
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let header = serde_json::from_slice(&bytes[..line]);
    let mut header: Value = header.map_err(|error| damaged(&**disk, SnapshotFile::NAME, &error))?;
    if header.pointer_mut("/membership/membership").is_some_and(|membership| name_members(membership, founders)) {
        // The hash of this format is of the state alone, which stays.
        header["format"] = 2.into();
        let mut content = header.to_string().into_bytes();
        content.extend_from_slice(&bytes[line..]);
        disk.replace(SnapshotFile::NAME, &content).map_err(io)?;
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
