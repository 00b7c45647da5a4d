//! The generations that a node has taken up lately, so that two of them can be compared and each be gone back to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use icefield_plan::Generation;
use icefield_spec::StorePath;

use crate::closures::Closures;
use crate::record::{self, Keep, RecordError};

/// How many are kept.
const KEPT: usize = 20;

/// The generations that are kept, in a folder, and the closures that each of them is of.
#[derive(Debug)]
pub(crate) struct PastGenerations {
    folder: PathBuf,
    closures: BTreeMap<u64, BTreeSet<StorePath>>,
}

impl PastGenerations {
    /// Those that are in `folder`; one that cannot be read has no closures.
    pub(crate) fn open(folder: PathBuf) -> Self {
        let closures = |number| find(&folder, number).ok()?.map(|past| (number, Closures::wanted(&past.plan)));
        let closures = numbers(&folder).into_iter().filter_map(closures).collect();
        Self { folder, closures }
    }

    /// Keeps `generation`, and deletes the oldest beyond those that are kept. That it cannot be kept is told of and no more:
    /// the newest one, which the node goes by, is kept elsewhere.
    pub(crate) fn keep(&mut self, generation: &Generation) {
        self.closures.insert(generation.number, Closures::wanted(&generation.plan));
        while self.closures.len() > KEPT {
            self.closures.pop_first();
        }
        if let Err(error) = self.write(generation) {
            tracing::warn!(generation = generation.number, "it cannot be compared with others later: {error}");
        }
    }

    /// What any of them is of: to go back to one, nothing is to be fetched.
    pub(crate) fn closures(&self) -> impl Iterator<Item = &StorePath> {
        self.closures.values().flatten()
    }

    fn write(&self, generation: &Generation) -> Result<(), RecordError> {
        let folder = &self.folder;
        let failed = |source| RecordError::Unwritable { path: folder.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        record::write(&folder.join(format!("{}.json", generation.number)), generation, Keep::ThisBoot)?;
        for number in numbers(folder).iter().rev().skip(KEPT) {
            record::delete(&folder.join(format!("{number}.json")))?;
        }
        Ok(())
    }
}

/// Generation `number` of those in `folder`; `None` if it is not there.
///
/// # Errors
/// If it is there and cannot be read.
pub(crate) fn find(folder: &Path, number: u64) -> Result<Option<Generation>, RecordError> {
    record::read(&folder.join(format!("{number}.json")))
}

/// The numbers of those in `folder`, rising; what else lies there is passed over.
pub(crate) fn numbers(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use icefield_plan::{NodePlan, PLAN_SCHEMA, PlannedUnit};
    use icefield_spec::{Bytes, Cpu, NixSource, Run, Unit};

    use super::*;

    /// A unit that is of the closure called `name`.
    fn unit(name: &str) -> PlannedUnit {
        let path = format!("/nix/store/d8saylrbwdk1qrhr29965vdb9ahx5y0d-{name}").parse().unwrap();
        let closures = BTreeMap::from([("x86_64-linux".to_owned(), path)]);
        let run = Run::Nix { package: NixSource::Reference("web".into()), command: vec!["web".into()], closures };
        let unit = Unit::new(run, Cpu::from_millis(1), Bytes::new(1));
        PlannedUnit { service: "web".parse().unwrap(), unit: unit.into() }
    }

    #[test]
    fn the_last_twenty_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("generations");
        let plan = NodePlan {
            schema: PLAN_SCHEMA,
            cluster: "shop".parse().unwrap(),
            node: "n1".parse().unwrap(),
            address: "n1".into(),
            system: "x86_64-linux".into(),
            base: None,
            nixos: None,
            units: BTreeMap::new(),
            replicas: BTreeMap::new(),
        };
        let mut past = PastGenerations::open(folder.clone());
        for number in 1..=30 {
            let mut plan = plan.clone();
            let unit = unit(&format!("web-{number}"));
            plan.units.insert(unit.unit.revision(), unit);
            past.keep(&Generation::new(number, plan));
        }
        fs::write(folder.join("lost+found"), "").unwrap();
        assert_eq!(numbers(&folder), (11..=30).collect::<Vec<_>>());
        assert_eq!(find(&folder, 30).unwrap().unwrap().number, 30);
        assert_eq!(find(&folder, 10).unwrap(), None);
        for past in [past, PastGenerations::open(folder.clone())] {
            let kept: BTreeSet<&str> =
                past.closures().filter_map(|path| path.as_str().split_once("-")).map(|(_, name)| name).collect();
            assert!(kept.len() == 20 && kept.contains("web-11") && !kept.contains("web-10"), "{kept:?}");
        }
        fs::write(folder.join("9.json"), "junk").unwrap();
        assert!(find(&folder, 9).is_err());
    }
}
