//! No two servers' states differ at the same version.

use std::collections::BTreeMap;
use std::sync::Arc;

use icefield_control::State;

pub(crate) const NAME: &str = "servers agree";

/// The newest states that were seen, each as the first server had it.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    states: BTreeMap<u64, (String, Arc<State>)>,
}

impl Agreement {
    /// How many states are kept. A server that is further behind than that is not compared.
    const KEPT: usize = 64;

    /// Compares the state of `server` with what others had at the same version.
    pub(crate) fn check(&mut self, server: &str, state: &Arc<State>) -> Result<(), String> {
        if let Some((first, other)) = self.states.get(&state.version) {
            return match other == state {
                true => Ok(()),
                false => Err(format!("{server} and {first} have different states of version {}", state.version)),
            };
        }
        self.states.insert(state.version, (server.to_owned(), Arc::clone(state)));
        if self.states.len() > Self::KEPT {
            self.states.pop_first();
        }
        Ok(())
    }

    /// The newest state that any server has shown.
    pub(crate) fn newest(&self) -> Option<&Arc<State>> {
        self.states.last_key_value().map(|(_, (_, state))| state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_difference_at_the_same_version_alone() {
        let state = |version, last_event| Arc::new(State { version, last_event, ..State::default() });
        let mut agreement = Agreement::default();
        agreement.check("a", &state(1, 1)).unwrap();
        agreement.check("b", &state(2, 2)).unwrap();
        agreement.check("b", &state(1, 1)).unwrap();
        assert!(agreement.check("c", &state(2, 1)).is_err());
        assert_eq!(agreement.newest().map(|state| state.version), Some(2));
    }
}
