use std::path::{Path, PathBuf};

/// The folder, beneath the agent's own group, of all that Icefield makes.
pub(super) const FOLDER: &str = "icefield";

/// The folders of the calling process's own groups, as far as this crate has a use for them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// In version 2.
    pub(super) unified: Option<PathBuf>,
    /// In the hierarchy of version 1 that has the memory controller.
    pub(super) memory: Option<PathBuf>,
    /// In the hierarchy of version 1 that has the CPU controller.
    pub(super) cpu: Option<PathBuf>,
}

impl Own {
    /// Reads it from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
    pub(super) fn parse(mounts: &str, groups: &str) -> Self {
        let mut own = Self::default();
        for mount in mounts.lines().filter_map(Mount::parse) {
            let find = |controller: &str| own_folder(&mount, group_of(groups, controller)?);
            match mount.kind {
                "cgroup2" => own.unified = own.unified.or_else(|| find("")),
                "cgroup" if mount.has("memory") => own.memory = own.memory.or_else(|| find("memory")),
                _ => {}
            }
            if mount.kind == "cgroup" && mount.has("cpu") {
                own.cpu = own.cpu.or_else(|| find("cpu"));
            }
        }
        own
    }
}

/// One line of mountinfo: `36 25 0:31 ROOT POINT OPTIONS [TAGS…] - KIND SOURCE SUPER`.
struct Mount<'a> {
    root: &'a str,
    point: String,
    kind: &'a str,
    controllers: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, what) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut what = what.split(' ');
        let (root, point) = (place.next()?, unescape(place.next()?));
        Some(Self { root, point, kind: what.next()?, controllers: what.nth(1)? })
    }

    fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|has| has == controller)
    }
}

/// Spaces and the like are written as `\040` there.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The group in the hierarchy with `controller`, from lines like `4:memory:/a/b`; version 2 is `0::/a/b`.
fn group_of<'a>(groups: &'a str, controller: &str) -> Option<&'a str> {
    groups.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, group) = line.split_once(':')?;
        controllers.split(',').any(|has| has == controller).then_some(group)
    })
}

/// A mount may show only a part of the hierarchy, from `root` down.
fn own_folder(mount: &Mount<'_>, group: &str) -> Option<PathBuf> {
    let within = Path::new(group).strip_prefix(mount.root).ok()?;
    // An agent that has put itself into a group of its own, see `Groups`, belongs to the one above.
    let mut folder = PathBuf::from(&mount.point);
    folder.extend(within.components().take_while(|part| part.as_os_str() != FOLDER));
    Some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    fn path(text: &str) -> Option<PathBuf> {
        Some(text.into())
    }

    #[test]
    fn a_hybrid_machine() {
        let own = Own::parse(HYBRID, "4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n");
        let expected = Own {
            unified: path("/sys/fs/cgroup/unified"),
            memory: path("/sys/fs/cgroup/memory/jobs/7"),
            cpu: path("/sys/fs/cgroup/cpu,cpuacct/"),
        };
        assert_eq!(own, expected);
    }

    #[test]
    fn a_machine_with_version_2_alone() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let own = Own::parse(mounts, "0::/system.slice/icefield.service\n");
        assert_eq!(own, Own { unified: path("/sys/fs/cgroup/system.slice/icefield.service"), ..Own::default() });
        let own = Own::parse(mounts, "0::/a/icefield/n1-0123456789/agent\n");
        assert_eq!(own.unified, path("/sys/fs/cgroup/a"), "it found itself in its own group");
    }

    #[test]
    fn a_container_that_sees_a_part() {
        let mounts = "30 23 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        assert_eq!(Own::parse(mounts, "4:memory:/docker/abc/x").memory, path("/sys/fs/cgroup/memory/x"));
        assert_eq!(Own::parse(mounts, "4:memory:/elsewhere").memory, None);
    }

    #[test]
    fn junk_is_nothing() {
        assert_eq!(Own::parse("\0 - \n - - -\n1 2 3", ":::\n\n7"), Own::default());
    }
}
