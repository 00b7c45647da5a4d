//! No more nodes of a base are changed at once than it lets, and those are of one zone.
//!
//! A node that is lost is not waited for. So one that was lost counts again only once it has taken up what it is asked for now,
//! and has come to its end with that.

use std::collections::{BTreeMap, BTreeSet};

use icefield_control::State;
use icefield_spec::Name;

use crate::system::Standing;

pub(crate) const NAME: &str = "no more nodes of a base are changed at once than may be";

/// For how long an agent may be in contact with nobody before its node may count as lost, in milliseconds.
const SILENCE: u64 = 1_500;

/// The nodes that nobody waits for.
#[derive(Debug, Default)]
pub(crate) struct Waves {
    away: BTreeSet<Name>,
}

impl Waves {
    /// Holds what nodes are at against what `state` lets them; `systems` has of each node how it stands, and for how long it has
    /// heard of nobody.
    pub(crate) fn check(&mut self, state: &State, systems: &[(Name, Standing, u64)]) -> Result<(), String> {
        let Some(spec) = &state.spec else { return Ok(()) };
        let mut changing: BTreeMap<&Name, Vec<(&Name, &str)>> = BTreeMap::new();
        for (node, standing, silence) in systems {
            let Some(machine) = spec.nodes.get(node).map(|node| &node.machine) else { continue };
            let Some(base) = &machine.base else { continue };
            let asked = state.bases.get(base).and_then(|record| record.nodes.get(node)).map(|asked| asked.asked);
            if state.nodes.get(node).is_none_or(|node| node.lost) || *silence > SILENCE {
                self.away.insert(node.clone());
            } else if standing.is_settled && asked.is_none_or(|asked| asked == standing.asked) {
                self.away.remove(node);
            }
            if standing.is_changing && !self.away.contains(node) {
                let zone = machine.labels.get("zone").map_or("", String::as_str);
                changing.entry(base).or_default().push((node, zone));
            }
        }
        for (base, nodes) in changing {
            let Some(most) = spec.bases.get(base).map(|base| base.update().max_unavailable) else { continue };
            let zones: BTreeSet<&str> = nodes.iter().map(|(_, zone)| *zone).collect();
            if nodes.len() > most as usize || zones.len() > 1 {
                return Err(format!(
                    "of base {base}, {most} of one zone may be changed at once, and these are: {nodes:?}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::Fleet;

    #[test]
    fn sees_one_too_many_and_one_of_another_zone() {
        let fleet = Fleet::of(5);
        let check = |waves: &mut Waves, nodes: &[usize], silence| {
            let systems: Vec<_> = nodes.iter().map(|at| (fleet.node(*at), fleet.changing(*at), silence)).collect();
            waves.check(&fleet.state, &systems)
        };
        // Of the five, the first, second, fourth and fifth are of one base; the first and the fifth are of one zone.
        let mut waves = Waves::default();
        assert_eq!(check(&mut waves, &[0, 4], 0), Ok(()));
        assert_eq!(check(&mut waves, &[0, 2], 0), Ok(()), "another base");
        let message = check(&mut waves, &[0, 1], 0).unwrap_err();
        assert!(message.contains("n1") && message.contains("n2"), "{message}");
        assert_eq!(check(&mut waves, &[1], 2_000), Ok(()));
        assert_eq!(check(&mut waves, &[0, 1], 0), Ok(()), "nobody waits for the second");
        let settled = vec![(fleet.node(1), Standing { is_changing: false, is_settled: true, ..fleet.changing(1) }, 0)];
        assert_eq!(waves.check(&fleet.state, &settled), Ok(()));
        assert!(check(&mut waves, &[0, 1], 0).is_err());
        assert!(check(&mut Waves::default(), &[0, 1, 3, 4], 0).is_err());
    }
}
