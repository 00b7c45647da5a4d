use std::io;
use std::path::{Path, PathBuf};

use icefield_plan::ReplicaId;
use icefield_spec::Name;

/// Where an agent keeps what it must not forget.
///
/// ```text
/// agent.lock             held by the agent
/// generation.json        the newest generation
/// generations/41.json    one of the last that were taken up
/// activation.json        how far the node is with its system
/// activation-root        keeps that in the store
/// endpoints/api.json     where the replicas of a used service are reached
/// services.json          where all services are reached, as last heard
/// replicas/web-3/        one replica
/// fetching/<hash>/       what has come of a closure that is not in the store yet
/// closures/<hash>-<name>  links that keep what Nix built in the store
/// volumes/web-3/data/    a volume of it, which stays when the replica goes
/// volumes/web-3.lock     held by the supervisor that uses them
/// volumes/migrate-job/   the volumes of a job, with a lock as well
/// private                in memory: see [`crate::private`]
/// private/web-3/         its files with secrets, and its secret variables until it has read them
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

/// Where everything of one replica is.
///
/// ```text
/// lock                   held by the supervisor
/// run.json               what it is to run
/// process.json           the process that it started
/// exit.json              how that ended
/// start-error            why it could not be started
/// fence                  until when a singleton may run
/// healthy.json           there while its health check answers well
/// log, log.1, log.2, …   what it wrote, newest first
/// work/                  its own folder
/// files/                 the files that it was given, if none has a secret in it
/// ```
#[derive(Debug, Clone)]
pub(crate) struct ReplicaHome {
    root: PathBuf,
}

impl Home {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("agent.lock")
    }

    pub(crate) fn generation(&self) -> PathBuf {
        self.root.join("generation.json")
    }

    pub(crate) fn generations(&self) -> PathBuf {
        self.root.join("generations")
    }

    pub(crate) fn endpoints(&self) -> PathBuf {
        self.root.join("endpoints")
    }

    pub(crate) fn endpoints_of(&self, service: &Name) -> PathBuf {
        self.endpoints().join(format!("{service}.json"))
    }

    pub(crate) fn services(&self) -> PathBuf {
        self.root.join("services.json")
    }

    pub(crate) fn fetching(&self) -> PathBuf {
        self.root.join("fetching")
    }

    pub(crate) fn closures(&self) -> PathBuf {
        self.root.join("closures")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// The folder of the volumes of `id`. All attempts of a job have the same, which is called like that of no replica.
    pub(crate) fn volumes_of(&self, id: &ReplicaId, once: bool) -> PathBuf {
        match once {
            true => self.volumes().join(format!("{}-job", id.service)),
            false => self.volumes().join(format!("{}-{}", id.service, id.index)),
        }
    }

    /// Held by whoever uses the volumes of `id` on this node.
    pub(crate) fn volume_lock(&self, id: &ReplicaId, once: bool) -> PathBuf {
        self.volumes_of(id, once).with_added_extension("lock")
    }

    pub(crate) fn private(&self) -> PathBuf {
        self.root.join("private")
    }

    pub(crate) fn private_of(&self, id: &ReplicaId) -> PathBuf {
        self.private().join(format!("{}-{}", id.service, id.index))
    }

    pub(crate) fn replicas(&self) -> PathBuf {
        self.root.join("replicas")
    }

    pub(crate) fn replica(&self, id: &ReplicaId) -> ReplicaHome {
        ReplicaHome::new(self.replicas().join(format!("{}-{}", id.service, id.index)))
    }

    /// The replicas that have a folder; what else lies there is passed over.
    pub(crate) fn known_replicas(&self) -> io::Result<Vec<(ReplicaId, ReplicaHome)>> {
        let folder = match std::fs::read_dir(self.replicas()) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut known = Vec::new();
        for entry in folder {
            if let Some(id) = entry?.file_name().to_str().and_then(replica_of) {
                let home = self.replica(&id);
                known.push((id, home));
            }
        }
        known.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(known)
    }
}

/// The replica whose folder is called `folder`: the index has no `-`, so the last one parts the two.
fn replica_of(folder: &str) -> Option<ReplicaId> {
    let (service, index) = folder.rsplit_once('-')?;
    let id = ReplicaId::new(Name::new(service).ok()?, index.parse().ok()?);
    (format!("{}-{}", id.service, id.index) == folder).then_some(id)
}

impl ReplicaHome {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run.json")
    }

    pub(crate) fn process(&self) -> PathBuf {
        self.root.join("process.json")
    }

    pub(crate) fn exit(&self) -> PathBuf {
        self.root.join("exit.json")
    }

    pub(crate) fn start_error(&self) -> PathBuf {
        self.root.join("start-error")
    }

    pub(crate) fn healthy(&self) -> PathBuf {
        self.root.join("healthy.json")
    }

    pub(crate) fn fence(&self) -> PathBuf {
        self.root.join("fence")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.root.join("files")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_replica() {
        let home = Home::new("/data");
        for text in ["web/0", "web-3/12", "0/7"] {
            let id: ReplicaId = text.parse().unwrap();
            let folder = home.replica(&id).root().file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(replica_of(&folder), Some(id));
        }
        for junk in ["", "web", "web-", "-1", "web-x", "web-01", "Web-1", "lost+found"] {
            assert_eq!(replica_of(junk), None, "{junk:?}");
        }
    }
}
