//! Volumes that are not on the node: mounted before their replica starts, and unmounted when it has ended.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use icefield_spec::VolumeSource;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::driver::find_program;

/// How long a mount may take; a server that is not there must not hold a replica for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the programs are that mount, whatever `PATH` says.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A volume of a replica that is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// The folder that it is mounted on.
    pub(crate) target: PathBuf,
    pub(crate) source: VolumeSource,
}

/// What mounts: programs of the node, found in `path`.
#[derive(Debug, Clone)]
pub(crate) struct Mounter {
    path: String,
}

impl Mounter {
    /// Finds programs in `path` first.
    pub(crate) fn new(path: &str) -> Self {
        Self { path: format!("{path}:{SYSTEM_PATH}") }
    }

    /// Mounts all of `mounts`; what is mounted already stays so.
    ///
    /// # Errors
    /// Which one could not be mounted, and why; a program that is missing is named with the package that has it.
    pub(crate) async fn mount(&self, mounts: &[Mount]) -> Result<(), String> {
        for mount in mounts {
            if is_mounted(&mount.target) {
                continue;
            }
            let wrong = |error: String| format!("the volume at {} cannot be mounted: {error}", mount.target.display());
            for (program, arguments) in self.commands(mount).map_err(wrong)? {
                if let Err(error) = run(&program, &arguments).await {
                    // A device that stays mapped could be mapped by no other node.
                    let _ = self.unmap(mount).await;
                    return Err(wrong(error));
                }
            }
        }
        Ok(())
    }

    /// Unmounts all of `mounts` that are mounted; says what could not be.
    pub(crate) async fn unmount(&self, mounts: &[Mount]) -> Result<(), String> {
        let mut failed = Vec::new();
        for mount in mounts.iter().filter(|mount| is_mounted(&mount.target)) {
            if let Err(error) = self.unmount_one(mount).await {
                failed.push(format!("{} stays mounted: {error}", mount.target.display()));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    async fn unmount_one(&self, mount: &Mount) -> Result<(), String> {
        run(&self.find("umount", "mount")?, &[mount.target.display().to_string()]).await?;
        self.unmap(mount).await
    }

    async fn unmap(&self, mount: &Mount) -> Result<(), String> {
        let VolumeSource::Rbd { pool, image, .. } = &mount.source else { return Ok(()) };
        run(&self.find("rbd", "ceph-common")?, &["unmap".into(), format!("{pool}/{image}")]).await
    }

    /// The commands that mount it, in order.
    fn commands(&self, mount: &Mount) -> Result<Vec<(PathBuf, Vec<String>)>, String> {
        let mut commands = Vec::new();
        match &mount.source {
            VolumeSource::Host => return Ok(commands),
            VolumeSource::Nfs { .. } => drop(self.find("mount.nfs", "nfs-common")?),
            VolumeSource::Rbd { pool, image, .. } => {
                let rbd = self.find("rbd", "ceph-common")?;
                // A second node that maps it is refused by Ceph as well.
                commands.push((rbd, vec!["map".into(), "--exclusive".into(), format!("{pool}/{image}")]));
            }
        }
        let mut arguments = vec!["-t".to_owned(), mount.source.filesystem().to_owned()];
        if !mount.source.options().is_empty() {
            arguments.extend(["-o".to_owned(), mount.source.options().to_owned()]);
        }
        arguments.extend([mount.source.device(), mount.target.display().to_string()]);
        commands.push((self.find("mount", "mount")?, arguments));
        Ok(commands)
    }

    fn find(&self, program: &str, package: &str) -> Result<PathBuf, String> {
        find_program(program, &self.path, Path::new("/"))
            .map_err(|_| format!("this node has no program {program}; install the package {package}"))
    }
}

/// Whether something is mounted on `folder`.
fn is_mounted(folder: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display().to_string();
    // A space stands there in octal.
    let written = folder.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012");
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&written))
}

async fn run(program: &Path, arguments: &[String]) -> Result<(), String> {
    let said = |error: &str| format!("{} {}: {error}", program.display(), arguments.join(" "));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(PATIENCE, output).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(said(String::from_utf8_lossy(&output.stderr).trim())),
        Ok(Err(error)) => Err(said(&error.to_string())),
        Err(_) => Err(said(&io::Error::from(io::ErrorKind::TimedOut).to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Puts programs into a folder that note how they are called; `mount` mounts for real, but a folder of its own.
    fn programs(folder: &Path, names: &[&str]) -> Mounter {
        std::fs::create_dir_all(folder.join("export")).unwrap();
        for name in names {
            let real = match *name {
                "mount" => {
                    format!("for last; do :; done; exec /bin/mount --bind {0}/export \"$last\"", folder.display())
                }
                "umount" => "exec /bin/umount \"$@\"".to_owned(),
                _ => "exit 0".to_owned(),
            };
            let text = format!("#!/bin/sh\necho \"{name} $*\" >> {}/called\n{real}\n", folder.display());
            std::fs::write(folder.join(name), text).unwrap();
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Mounter { path: folder.display().to_string() }
    }

    fn nfs(target: &Path) -> Mount {
        let source = VolumeSource::Nfs {
            server: "10.0.0.5".into(),
            path: "/export/db".into(),
            options: "hard".into(),
            shared: false,
        };
        Mount { target: target.to_owned(), source }
    }

    fn rbd(target: &Path) -> Mount {
        let source = VolumeSource::Rbd { pool: "data".into(), image: "db".into(), filesystem: "xfs".into() };
        Mount { target: target.to_owned(), source }
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let mounter = programs(folder.path(), &["mount", "umount"]);
        let missing = |mount: Mount| mounter.commands(&mount).unwrap_err();
        assert_eq!(missing(nfs(folder.path())), "this node has no program mount.nfs; install the package nfs-common");
        assert_eq!(missing(rbd(folder.path())), "this node has no program rbd; install the package ceph-common");
    }

    #[tokio::test]
    async fn mounts_once_and_unmounts_again_as_root() {
        let folder = tempfile::tempdir().unwrap();
        let mounter = programs(folder.path(), &["mount", "umount", "mount.nfs", "rbd"]);
        let targets = ["a b", "c"].map(|name| folder.path().join(name));
        targets.iter().for_each(|target| std::fs::create_dir(target).unwrap());
        std::fs::write(folder.path().join("export/file"), "kept").unwrap();
        let mounts = [nfs(&targets[0]), rbd(&targets[1])];
        if let Err(error) = mounter.mount(&mounts).await {
            // A container may not be allowed to mount anything.
            assert!(error.contains("permission denied") || error.contains("must be superuser"), "{error}");
            return;
        }
        mounter.mount(&mounts).await.unwrap();
        assert!(targets.iter().all(|target| target.join("file").exists() && is_mounted(target)));
        mounter.unmount(&mounts).await.unwrap();
        mounter.unmount(&mounts).await.unwrap();
        assert!(targets.iter().all(|target| !target.join("file").exists() && !is_mounted(target)));
        let called = std::fs::read_to_string(folder.path().join("called")).unwrap();
        let [first, second] = targets.map(|target| target.display().to_string());
        let expected = [
            format!("mount -t nfs -o hard 10.0.0.5:/export/db {first}"),
            "rbd map --exclusive data/db".into(),
            format!("mount -t xfs /dev/rbd/data/db {second}"),
            format!("umount {first}"),
            format!("umount {second}"),
            "rbd unmap data/db".into(),
        ];
        assert_eq!(called.lines().collect::<Vec<_>>(), expected);
    }
}
