//! Where a test's own systemd runs, and which program that is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A control group in every hierarchy, which goes with this value and all that is in it.
pub(crate) struct ControlGroup(String);

/// Goes on in the group whose name is in `GROUP`. A hierarchy whose groups need settings of their own first is passed over.
const ENTER: &str = r#"
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -e "$root/cgroup.procs" ] && mkdir -p "$root/$GROUP" || continue
  echo $$ > "$root/$GROUP/cgroup.procs" || rmdir "$root/$GROUP"
done 2>/dev/null
"#;

/// The program of systemd; `None`, which is told, where there is none or it cannot be started by whoever runs the tests.
pub(crate) fn manager(test: &str) -> Option<&'static str> {
    let programs = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
    let Some(program) = programs.into_iter().find(|path| Path::new(path).exists()) else {
        crate::runner::skip(&format!("{test}: there is no systemd"));
        return None;
    };
    if !rustix::process::geteuid().is_root() {
        crate::runner::skip(&format!("{test}: only root can start a systemd with control groups of its own"));
        return None;
    }
    Some(program)
}

impl ControlGroup {
    /// One that nobody else has, for what has a folder that nobody else has.
    pub(crate) fn of(folder: &Path) -> Self {
        Self(format!("icefield-test-{}", folder.file_name().unwrap().to_str().unwrap().replace('.', "")))
    }

    /// What runs `script` in this group, with nothing but `PATH` and `GROUP` in its environment; it writes to the file `log`.
    pub(crate) fn command(&self, script: &str, log: &Path) -> Command {
        let log = fs::File::create(log).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{ENTER}{script}")])
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".into()))
            .env("GROUP", &self.0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn groups(&self) -> Vec<PathBuf> {
        let root = PathBuf::from("/sys/fs/cgroup");
        let below = fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
        below.chain([root.clone()]).map(|root| root.join(&self.0)).filter(|path| path.is_dir()).collect()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        for _ in 0..200 {
            let left: usize = self.groups().iter().map(|group| clear(group)).sum();
            if left == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Kills what is in a control group and removes it; how many processes were left.
fn clear(group: &Path) -> usize {
    let below = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut left: usize = below.filter(|path| path.is_dir()).map(|path| clear(&path)).sum();
    for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
        left += 1;
    }
    let _ = fs::remove_dir(group);
    left
}
