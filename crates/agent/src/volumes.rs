use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use icefield_plan::ReplicaId;
use icefield_spec::{Name, Unit, Volume};

use crate::home::Home;
use crate::mounts::Mount;

/// Sees to it that each volume of a replica is there. What an earlier run left in them stays.
///
/// Nothing on the way is followed if it leads elsewhere: a program could otherwise have the agent hand out any folder as
/// another replica's.
pub(crate) fn make(home: &Home, id: &ReplicaId, unit: &Unit) -> Result<(), String> {
    if unit.volumes.is_empty() {
        return Ok(());
    }
    let own = home.volumes_of(id, unit.once);
    folder(&home.volumes())?;
    folder(&own)?;
    unit.volumes.keys().try_for_each(|volume| folder(&own.join(volume.as_str())))
}

/// Those of a replica's volumes that are mounted.
pub(crate) fn mounts(home: &Home, id: &ReplicaId, unit: &Unit) -> Vec<Mount> {
    let own = home.volumes_of(id, unit.once);
    let elsewhere = unit.volumes.iter().filter(|(_, volume)| !volume.source.is_host());
    let mount =
        |(name, volume): (&Name, &Volume)| Mount { target: own.join(name.as_str()), source: volume.source.clone() };
    elsewhere.map(mount).collect()
}

fn folder(path: &Path) -> Result<(), String> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(format!("its volume cannot be made at {}: {error}", path.display()))
        }
        _ => match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(format!("its volume cannot be at {}: that is no folder", path.display())),
            Err(error) => Err(format!("its volume at {} cannot be looked at: {error}", path.display())),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use icefield_spec::{Bytes, Cpu, Run};

    use super::*;

    fn with_volumes(volumes: &[&str]) -> Unit {
        let run = Run::Exec { command: vec!["run".into()] };
        let mut unit = Unit::new(run, Cpu::from_millis(1), Bytes::new(1));
        unit.volumes = volumes.iter().map(|text| (Name::new(text).unwrap(), Volume::default())).collect();
        unit
    }

    #[test]
    fn folders_are_made_once_and_kept() {
        let root = tempfile::tempdir().unwrap();
        let (home, id) = (Home::new(root.path()), "db/0".parse().unwrap());
        make(&home, &id, &with_volumes(&[])).unwrap();
        assert!(!home.volumes().exists());
        make(&home, &id, &with_volumes(&["data", "log"])).unwrap();
        let data = home.volumes_of(&id, false).join("data");
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(data.join("kept"), "x").unwrap();
        make(&home, &id, &with_volumes(&["data"])).unwrap();
        assert!(data.join("kept").exists() && home.volumes_of(&id, false).join("log").exists());
    }

    #[test]
    fn the_attempts_of_a_job_have_the_same_folder() {
        let home = Home::new("/data");
        let folder = |text: &str, once| home.volumes_of(&text.parse().unwrap(), once);
        assert_eq!(folder("migrate/3", true), folder("migrate/4", true));
        assert_ne!(folder("migrate/3", true), folder("migrate/3", false));
        assert_eq!(home.volume_lock(&"a/3".parse().unwrap(), false), std::path::Path::new("/data/volumes/a-3.lock"));
    }

    #[test]
    fn links_and_files_are_not_taken_for_folders() {
        let root = tempfile::tempdir().unwrap();
        let (home, id) = (Home::new(root.path()), "db/0".parse().unwrap());
        fs::create_dir_all(home.volumes_of(&id, false)).unwrap();
        symlink("/etc", home.volumes_of(&id, false).join("data")).unwrap();
        let refused = make(&home, &id, &with_volumes(&["data"])).unwrap_err();
        assert!(refused.ends_with("volumes/db-0/data: that is no folder"), "{refused}");
        fs::write(home.volumes_of(&id, false).join("file"), "").unwrap();
        assert!(make(&home, &id, &with_volumes(&["file"])).is_err());
        let other = "web/0".parse().unwrap();
        symlink(home.volumes_of(&id, false), home.volumes_of(&other, false)).unwrap();
        assert!(make(&home, &other, &with_volumes(&["data"])).is_err());
    }
}
