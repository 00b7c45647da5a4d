use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use icefield_spec::Revision;
use rustix::fs::statfs;
use rustix::process::geteuid;

use crate::home::Home;

/// Where file systems in memory usually are.
const IN_MEMORY: [&str; 2] = ["/run", "/dev/shm"];

/// What `statfs` says of file systems that keep nothing on a disk: tmpfs and ramfs.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Sees to it that [`Home::private`] is a folder in memory that nobody else may enter: where secrets are, as files.
///
/// It is the folder itself if that is in memory (someone has mounted a tmpfs there, or the whole agent's folder is on one),
/// else a link to a folder on a tmpfs of the machine. `on_disk` allows it to be on a disk if there is none.
pub(crate) fn open(home: &Home, on_disk: bool) -> Result<(), String> {
    open_within(home, &IN_MEMORY, on_disk)
}

fn open_within(home: &Home, in_memory: &[&str], on_disk: bool) -> Result<(), String> {
    let path = home.private();
    let fail = |error: io::Error| format!("secrets cannot be kept at {}: {error}", path.display());
    if let Some(target) = linked(&path).map_err(fail)? {
        if is_ours(&target) && is_in_memory(&target) {
            return Ok(());
        }
        // Since the machine was restarted it leads nowhere.
        fs::remove_file(&path).map_err(fail)?;
    }
    let is_there = fs::symlink_metadata(&path).is_ok();
    if is_there || is_in_memory(home.root()) {
        make(&path).map_err(fail)?;
        if is_in_memory(&path) || on_disk {
            return Ok(());
        }
        fs::remove_dir(&path).map_err(|error| {
            format!("{} is on a disk, where no secret is written, and is not empty: {error}", path.display())
        })?;
    }
    let name = format!("icefield-{}", Revision::of(&home.root().to_string_lossy()).short());
    for folder in in_memory.iter().map(Path::new).filter(|folder| is_in_memory(folder)) {
        let folder = folder.join(&name);
        if make(&folder).is_ok() {
            return symlink(&folder, &path).map_err(fail);
        }
    }
    if on_disk {
        tracing::warn!("there is no file system in memory, so secrets are kept on a disk, in {}", path.display());
        return make(&path).map_err(fail);
    }
    Err(format!(
        "no secret is written to a disk, and neither {} is a file system in memory that this agent may write to; mount one: \
         mount -t tmpfs -o mode=0700,nosuid,nodev tmpfs {}",
        in_memory.join(" nor "),
        path.display()
    ))
}

/// Deletes the folder with all that is in it.
pub(crate) fn clear(home: &Home) {
    let path = home.private();
    let cleared = match linked(&path) {
        Ok(Some(target)) => delete(&target).and_then(|()| fs::remove_file(&path)),
        Ok(None) if is_mount_point(&path) => delete_within(&path),
        Ok(None) => delete(&path),
        Err(error) => Err(error),
    };
    if let Err(error) = cleared {
        tracing::warn!(%error, "secrets stay in {}", path.display());
    }
}

/// Where a link leads; `None` if it is none.
fn linked(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::read_link(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn delete(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn delete_within(folder: &Path) -> io::Result<()> {
    fs::read_dir(folder)?.try_for_each(|entry| delete(&entry?.path()))
}

fn is_mount_point(folder: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    device(folder).is_some() && folder.parent().is_some_and(|parent| device(parent) != device(folder))
}

/// Makes a folder for its owner alone, or finds that it is one.
fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match is_ours(folder) {
            true => Ok(()),
            false => {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a folder of this agent alone (0700)"))
            }
        },
        other => other,
    }
}

/// Whether it is a folder, and this agent's alone. Others may have made one of its name where everyone may.
fn is_ours(folder: &Path) -> bool {
    let found = fs::symlink_metadata(folder);
    found.is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0)
}

fn is_in_memory(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| matches!(u64::try_from(found.f_type), Ok(TMPFS | RAMFS)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_in_memory_and_for_the_agent_alone() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::new(root.path());
        open(&home, false).unwrap();
        let target = fs::canonicalize(home.private()).unwrap();
        assert!(is_in_memory(&target), "{}", target.display());
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(home.private().join("kept"), "x").unwrap();
        open(&home, false).unwrap();
        assert!(home.private().join("kept").exists(), "the next agent finds what is there");
        clear(&home);
        assert!(!target.exists() && fs::symlink_metadata(home.private()).is_err());
    }

    #[test]
    fn a_link_from_before_the_machine_was_restarted_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::new(root.path());
        symlink("/dev/shm/icefield-that-is-gone", home.private()).unwrap();
        open(&home, false).unwrap();
        assert!(fs::canonicalize(home.private()).is_ok());
        clear(&home);
    }

    #[test]
    fn nothing_is_written_to_a_disk_unless_that_is_allowed() {
        let root = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let home = Home::new(root.path());
        assert!(!is_in_memory(root.path()), "the sources are on a disk");
        let refused = open_within(&home, &["/proc"], false).unwrap_err();
        assert!(refused.starts_with("no secret is written to a disk"), "{refused}");
        assert!(fs::symlink_metadata(home.private()).is_err());
        open_within(&home, &["/proc"], true).unwrap();
        assert_eq!(fs::metadata(home.private()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(home.private().join("kept"), "x").unwrap();
        assert!(open_within(&home, &["/proc"], false).is_err(), "it is not allowed any more");
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("open");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(make(&folder).is_err());
    }
}
