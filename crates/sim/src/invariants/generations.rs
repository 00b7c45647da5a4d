//! The number of a node's generation only rises: on a server from one state to the next, and for the agent.

use std::collections::BTreeMap;

use icefield_control::State;
use icefield_spec::Name;

pub(crate) const NAME: &str = "generations only rise";

/// The newest generations that each server has shown since it was started.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    seen: BTreeMap<u64, BTreeMap<Name, u64>>,
}

impl Generations {
    /// Compares the state of the server that was started as `life` with what it had before.
    pub(crate) fn check(&mut self, life: u64, state: &State) -> Result<(), String> {
        let seen = self.seen.entry(life).or_default();
        for (node, record) in &state.nodes {
            let before = seen.insert(node.clone(), record.generation).unwrap_or_default();
            if record.generation < before {
                return Err(format!("the generation of {node} fell from {before} to {}", record.generation));
            }
        }
        Ok(())
    }
}

/// An agent that has one generation is given another one, as the newest.
pub(crate) fn offered(node: &Name, has: u64, given: u64) -> Result<(), String> {
    if given >= has {
        return Ok(());
    }
    Err(format!("the agent of {node} has generation {has}, and was given {given} as the newest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_given_no_older_one() {
        let node = Name::new("n1").unwrap();
        assert_eq!(offered(&node, 3, 3), Ok(()));
        assert!(offered(&node, 3, 2).is_err());
    }
}
