use std::path::PathBuf;

use icefield_plan::{Generation, PLAN_SCHEMA};
use icefield_spec::Name;

use crate::record::{self, Keep, RecordError};

/// The newest generation that a node has taken up, kept on disk.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    node: Name,
    newest: Option<Generation>,
}

/// What became of a generation that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is the newest now.
    Taken,
    /// It is the one that the node has.
    Known,
    /// It is not to be gone by.
    Refused(String),
}

impl Kept {
    /// Reads what is kept at `path`; beside it, why that is of no use if it is not.
    pub(crate) fn open(path: PathBuf, node: Name) -> (Self, Option<String>) {
        let (newest, complaint) = match record::read::<Generation>(&path) {
            Ok(Some(read)) if read.hash != read.plan.hash() => {
                (None, Some(format!("{} was changed by someone else", path.display())))
            }
            Ok(newest) => (newest, None),
            Err(error) => (None, Some(error.to_string())),
        };
        (Self { path, node, newest }, complaint)
    }

    pub(crate) const fn newest(&self) -> Option<&Generation> {
        self.newest.as_ref()
    }

    /// The number of the newest; 0 for none.
    pub(crate) fn number(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.number)
    }

    /// Takes up a generation that a server offers, if it is newer. Only what is kept safely is gone by.
    pub(crate) fn offer(&mut self, offered: Generation) -> Result<Offer, RecordError> {
        if let Some(verdict) = self.verdict(&offered) {
            return Ok(verdict);
        }
        record::write(&self.path, &offered, Keep::Durably)?;
        self.newest = Some(offered);
        Ok(Offer::Taken)
    }

    fn verdict(&self, offered: &Generation) -> Option<Offer> {
        let refuse = |why: String| Some(Offer::Refused(format!("generation {} is refused: {why}", offered.number)));
        if offered.plan.schema != PLAN_SCHEMA {
            return refuse(format!("its form is {}, and this agent knows {PLAN_SCHEMA}", offered.plan.schema));
        }
        if offered.plan.node != self.node {
            return refuse(format!("it is for the node {}, and this is {}", offered.plan.node, self.node));
        }
        if offered.hash != offered.plan.hash() {
            return refuse("its hash is not that of its plan".into());
        }
        if let Some(id) = offered.plan.replicas.keys().find(|id| offered.plan.unit(id).is_none()) {
            return refuse(format!("it does not say what {id} is to run"));
        }
        let own = self.newest.as_ref()?;
        if offered.plan.cluster != own.plan.cluster {
            return refuse(format!(
                "it is of the cluster {}, and this node is of {}; to move it, give it an empty data folder",
                offered.plan.cluster, own.plan.cluster
            ));
        }
        if offered.number < own.number {
            return refuse(format!("this node has already taken up generation {}", own.number));
        }
        if offered.number > own.number {
            return None;
        }
        if offered.hash == own.hash {
            Some(Offer::Known)
        } else {
            refuse("this node has another one of that number".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use icefield_plan::{NodePlan, PlannedReplica};
    use icefield_spec::Revision;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn generation(number: u64, address: &str) -> Generation {
        let plan = NodePlan {
            schema: PLAN_SCHEMA,
            cluster: name("shop"),
            node: name("n1"),
            address: address.into(),
            system: "x86_64-linux".into(),
            base: None,
            nixos: None,
            units: BTreeMap::new(),
            replicas: BTreeMap::new(),
        };
        Generation::new(number, plan)
    }

    fn refused(offer: Offer) -> String {
        match offer {
            Offer::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_only_rise_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generation.json");
        let open = || Kept::open(path.clone(), name("n1"));
        let (mut kept, complaint) = open();
        assert_eq!((kept.number(), complaint), (0, None));
        assert_eq!(kept.offer(generation(5, "a")).unwrap(), Offer::Taken);
        assert_eq!(kept.offer(generation(5, "a")).unwrap(), Offer::Known);
        for mut kept in [kept, open().0] {
            let older = refused(kept.offer(generation(4, "b")).unwrap());
            assert_eq!(older, "generation 4 is refused: this node has already taken up generation 5");
            let other = refused(kept.offer(generation(5, "b")).unwrap());
            assert_eq!(other, "generation 5 is refused: this node has another one of that number");
            assert_eq!(kept.newest(), Some(&generation(5, "a")));
        }
        assert_eq!(open().0.offer(generation(6, "b")).unwrap(), Offer::Taken);
    }

    #[test]
    fn what_is_not_this_nodes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, _) = Kept::open(folder.path().join("generation.json"), name("n1"));
        let changed = |change: &dyn Fn(&mut NodePlan)| {
            let mut plan = generation(9, "a").plan;
            change(&mut plan);
            Generation::new(9, plan)
        };
        assert!(refused(kept.offer(changed(&|plan| plan.node = name("n2"))).unwrap()).contains("for the node n2"));
        assert!(refused(kept.offer(changed(&|plan| plan.schema = 7)).unwrap()).contains("its form is 7"));
        let unknown = changed(&|plan| {
            let replica = PlannedReplica { revision: Revision::of("unknown"), ports: BTreeMap::new() };
            plan.replicas.insert("web/0".parse().unwrap(), replica);
        });
        assert!(refused(kept.offer(unknown).unwrap()).contains("what web/0 is to run"));
        let forged = Generation { plan: generation(9, "b").plan, ..generation(9, "a") };
        assert!(refused(kept.offer(forged).unwrap()).contains("hash"));
        kept.offer(generation(1, "a")).unwrap();
        let moved = refused(kept.offer(changed(&|plan| plan.cluster = name("other"))).unwrap());
        assert!(moved.contains("give it an empty data folder"), "{moved}");
    }

    #[test]
    fn junk_is_complained_of_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generation.json");
        std::fs::write(&path, b"{\"number\": 5, \xff").unwrap();
        let (mut kept, complaint) = Kept::open(path.clone(), name("n1"));
        assert!(complaint.unwrap().contains("does not hold what it should"));
        assert_eq!(kept.offer(generation(2, "a")).unwrap(), Offer::Taken);
        let text =
            std::fs::read_to_string(&path).unwrap().replace("\"number\": 2", "\"number\": 2, \"address\": \"b\"");
        std::fs::write(&path, text).unwrap();
        assert!(Kept::open(path, name("n1")).1.is_some());
    }
}
