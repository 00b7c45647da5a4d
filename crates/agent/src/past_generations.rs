//! The generations that a node has taken up lately, so that two of them can be compared.

use std::fs;
use std::path::Path;

use icefield_plan::Generation;

use crate::record::{self, Keep, RecordError};

/// How many are kept.
const KEPT: usize = 20;

/// Keeps `generation` in `folder`, and deletes the oldest beyond those that are kept. That it cannot be kept is told of and no
/// more: the newest one, which the node goes by, is kept elsewhere.
pub(crate) fn keep(folder: &Path, generation: &Generation) {
    let kept = || -> Result<(), RecordError> {
        let failed = |source| RecordError::Unwritable { path: folder.into(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        record::write(&folder.join(format!("{}.json", generation.number)), generation, Keep::ThisBoot)?;
        for number in numbers(folder).iter().rev().skip(KEPT) {
            record::delete(&folder.join(format!("{number}.json")))?;
        }
        Ok(())
    };
    if let Err(error) = kept() {
        tracing::warn!(generation = generation.number, "it cannot be compared with others later: {error}");
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
    use std::collections::BTreeMap;

    use icefield_plan::{NodePlan, PLAN_SCHEMA};

    use super::*;

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
        for number in 1..=30 {
            keep(&folder, &Generation::new(number, plan.clone()));
        }
        fs::write(folder.join("lost+found"), "").unwrap();
        assert_eq!(numbers(&folder), (11..=30).collect::<Vec<_>>());
        assert_eq!(find(&folder, 30).unwrap(), Some(Generation::new(30, plan)));
        assert_eq!(find(&folder, 10).unwrap(), None);
        fs::write(folder.join("9.json"), "junk").unwrap();
        assert!(find(&folder, 9).is_err());
    }
}
