use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use icefield_api::AuditEntry;

use crate::raft::Group;

/// How often what is new is written at most: entries of a moment go together.
const APART: Duration = Duration::from_millis(200);

/// Appends to `audit.jsonl` in `data` what the audit log of the state gets, one entry a line, for as long as it is awaited.
pub(crate) async fn write_audit(group: Arc<Group>, data: PathBuf) {
    let path = data.join("audit.jsonl");
    let mut written = last_number(&path);
    let mut changes = group.changes();
    loop {
        changes.borrow_and_update();
        // Not held while it is written: else the next change would be made to a copy of the state.
        let (new, last) = {
            let state = group.state().await;
            let new: Vec<Arc<AuditEntry>> = state.audit.after(written).cloned().collect();
            (new, state.audit.last())
        };
        if !new.is_empty() {
            let to = path.clone();
            match tokio::task::spawn_blocking(move || append(&to, &new)).await {
                Ok(Ok(())) => written = last,
                Ok(Err(error)) => tracing::warn!(%error, "{} is not up to date; it is tried again", path.display()),
                Err(error) => tracing::error!(%error, "the audit log cannot be written; this is a mistake in icefield"),
            }
        }
        tokio::time::sleep(APART).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The number of the last whole entry; what a crash left of another one is cut off.
fn last_number(path: &Path) -> u64 {
    let Ok(content) = fs::read(path) else { return 0 };
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < content.len()
        && let Ok(file) = File::options().write(true).open(path)
    {
        drop(file.set_len(whole as u64));
    }
    let last = content[..whole].strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let entry = last.and_then(|line| serde_json::from_slice::<AuditEntry>(line).ok());
    entry.map_or(0, |entry| entry.number)
}

fn append(path: &Path, entries: &[Arc<AuditEntry>]) -> io::Result<()> {
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, &**entry)?;
        text.push(b'\n');
    }
    let mut file = File::options().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    let before = file.metadata()?.len();
    let written = file.write_all(&text).and_then(|()| file.sync_data());
    if written.is_err() {
        // All of it is written again.
        file.set_len(before)?;
    }
    written
}

#[cfg(test)]
mod tests {
    use icefield_api::AuditFacts;

    use super::*;

    #[test]
    fn goes_on_behind_the_last_whole_entry() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit.jsonl");
        assert_eq!(last_number(&path), 0);
        let facts = AuditFacts {
            at: 1,
            who: "user anna".into(),
            from: "::1".into(),
            operation: "apply".into(),
            subject: "/v1/apply".into(),
            revision: None,
            outcome: "done".into(),
        };
        let first = Arc::new(AuditEntry::following(None, facts.clone()));
        let second = Arc::new(AuditEntry::following(Some(&first), facts));
        append(&path, &[first, second]).unwrap();
        assert_eq!(last_number(&path), 2);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"number\": 3, "].concat()).unwrap();
        assert_eq!(last_number(&path), 2);
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
