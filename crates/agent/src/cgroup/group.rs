use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use icefield_spec::{Bytes, Cpu};

use super::hierarchy::{FOLDER, Own};
use super::setting::{self, Setting};

/// The groups that one agent can make for its replicas.
#[derive(Debug)]
pub(crate) struct Groups {
    unified: Option<PathBuf>,
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    missing: Option<String>,
}

impl Groups {
    /// Finds out what is possible here; `instance` sets this agent apart from others on the machine.
    pub(crate) fn detect(instance: &str) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::within(Own::parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup")), instance)
    }

    fn within(own: Own, instance: &str) -> Self {
        let mut reasons = Vec::new();
        if let Some(own) = &own.unified {
            match delegate(own, instance) {
                Ok(folder) => return Self { unified: Some(folder), memory: None, cpu: None, missing: None },
                Err(reason) => reasons.push(reason),
            }
        }
        let mut take = |own: Option<PathBuf>, controller: &str| match own {
            Some(own) => match make(&own, instance) {
                Ok(folder) => {
                    // That it can be made is enough for now: a node without replicas leaves nothing behind.
                    remove_above(&folder.join("group"));
                    Some(folder)
                }
                Err(reason) => {
                    reasons.push(reason);
                    None
                }
            },
            None => {
                reasons.push(format!("there is no {controller} controller"));
                None
            }
        };
        let (memory, cpu) = (take(own.memory, "memory"), take(own.cpu, "cpu"));
        let unlimited = match (&memory, &cpu) {
            (None, None) => Some("memory and CPU limits are"),
            (None, Some(_)) => Some("memory limits are"),
            (Some(_), None) => Some("CPU limits are"),
            (Some(_), Some(_)) => None,
        };
        let missing = unlimited.map(|what| format!("{what} not enforced: {}", reasons.join("; ")));
        Self { unified: None, memory, cpu, missing }
    }

    /// What cannot be limited, and why.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Makes the groups of one replica; returns their folders, the one that limits memory first.
    pub(crate) fn create(&self, replica: &str, cpu: Cpu, memory: Bytes) -> io::Result<Vec<PathBuf>> {
        let wanted = [
            (&self.unified, setting::unified(cpu, memory)),
            (&self.memory, setting::memory(memory)),
            (&self.cpu, setting::cpu(cpu)),
        ];
        let mut made = Vec::new();
        for (folder, settings) in wanted {
            let Some(folder) = folder else { continue };
            let group = folder.join(replica);
            // One left over from the run before still counts that run's memory.
            let _ = fs::remove_dir(&group);
            // Tried twice: another agent that ends may remove a folder above just before it is used.
            if let Err(error) = create(&group, &settings).or_else(|_| create(&group, &settings)) {
                made.push(group);
                Self::remove(&made);
                return Err(error);
            }
            made.push(group);
        }
        Ok(made)
    }

    /// Removes the groups of a replica whose processes have ended, and the agent's own above them if nothing else is in
    /// them.
    pub(crate) fn remove(groups: &[PathBuf]) {
        for group in groups {
            if let Err(error) = fs::remove_dir(group)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!(group = %group.display(), %error, "a control group stays");
            }
            remove_above(group);
        }
    }
}

/// Another replica, or another agent, may still have its groups there; then they stay.
fn remove_above(group: &Path) {
    for above in group.ancestors().skip(1).take(2) {
        let _ = fs::remove_dir(above);
    }
}

fn create(group: &Path, settings: &[Setting]) -> io::Result<()> {
    fs::create_dir_all(group)?;
    for Setting { file, value, needed } in settings {
        let path = group.join(file);
        if let Err(error) = fs::write(&path, value)
            && *needed
        {
            return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
        }
    }
    Ok(())
}

fn make(own: &Path, instance: &str) -> Result<PathBuf, String> {
    let folder = own.join(FOLDER).join(instance);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// In version 2, only a group without processes hands its controllers down; so the agent moves into a group of its own.
fn delegate(own: &Path, instance: &str) -> Result<PathBuf, String> {
    let has = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    if !["memory", "cpu"].iter().all(|wanted| has.split_whitespace().any(|has| has == *wanted)) {
        return Err(format!("{} has no memory and cpu controllers", own.display()));
    }
    let folder = make(own, instance)?;
    let agent = folder.join("agent");
    let put = |path: PathBuf, text: &str| fs::write(&path, text).map_err(|error| (path, error));
    let moved = fs::create_dir_all(&agent).map_err(|error| (agent.clone(), error));
    moved
        .and_then(|()| put(agent.join("cgroup.procs"), "0"))
        .and_then(|()| put(own.join("cgroup.subtree_control"), "+memory +cpu"))
        .and_then(|()| put(own.join(FOLDER).join("cgroup.subtree_control"), "+memory +cpu"))
        .and_then(|()| put(folder.join("cgroup.subtree_control"), "+memory +cpu"))
        .map_err(|(path, error)| format!("cannot hand controllers down, {}: {error}", path.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel makes a group's files; an ordinary folder stands in for it here.
    fn fake(controllers: &str) -> tempfile::TempDir {
        let own = tempfile::tempdir().unwrap();
        fs::write(own.path().join("cgroup.controllers"), controllers).unwrap();
        own
    }

    #[test]
    fn version_2_hands_its_controllers_down() {
        let own = fake("cpuset cpu io memory pids\n");
        let groups = Groups::within(Own { unified: Some(own.path().into()), ..Own::default() }, "n1-0123456789");
        assert_eq!(groups.missing(), None);
        let made = groups.create("web-3", Cpu::from_millis(500), Bytes::new(1 << 20)).unwrap();
        let group = own.path().join("icefield/n1-0123456789/web-3");
        assert_eq!(made.as_slice(), std::slice::from_ref(&group));
        let value = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(value(group.join("memory.max")), "1048576");
        assert_eq!(value(group.join("cpu.weight")), "50");
        assert_eq!(value(own.path().join("icefield/n1-0123456789/agent/cgroup.procs")), "0");
        for above in ["", "icefield", "icefield/n1-0123456789"] {
            assert_eq!(value(own.path().join(above).join("cgroup.subtree_control")), "+memory +cpu");
        }
    }

    #[test]
    fn what_is_not_possible_is_said() {
        let nothing = Groups::within(Own::default(), "n");
        let reason =
            "memory and CPU limits are not enforced: there is no memory controller; there is no cpu controller";
        assert_eq!(nothing.missing(), Some(reason));
        assert_eq!(nothing.create("web-3", Cpu::default(), Bytes::default()).unwrap(), Vec::<PathBuf>::new());

        let own = fake("hugetlb\n");
        let bare = Groups::within(Own { unified: Some(own.path().into()), ..Own::default() }, "n");
        assert!(bare.missing().is_some_and(|why| why.contains("has no memory and cpu controllers")));

        let memory = tempfile::tempdir().unwrap();
        let half = Groups::within(Own { memory: Some(memory.path().into()), ..Own::default() }, "n");
        assert_eq!(half.missing(), Some("CPU limits are not enforced: there is no cpu controller"));
    }
}
