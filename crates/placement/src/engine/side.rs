use crate::Demand;

/// Which replicas of a service a rule counts.
///
/// While a service has replicas beside its own, those go in the end; so neither kind is to be spread by where the other one
/// is. Without any, all are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Side {
    /// All of them.
    #[default]
    All,
    /// Those that are its own, while it has others.
    Own,
    /// Those beside them.
    Beside,
}

impl Side {
    /// What the rules of `demand` count, of a service that is to have replicas beside its own or not.
    pub(crate) fn of(demand: &Demand, is_accompanied: bool) -> Self {
        match (is_accompanied, demand.beside) {
            (false, _) => Self::All,
            (true, false) => Self::Own,
            (true, true) => Self::Beside,
        }
    }

    /// Whether it counts a replica that is `beside` its service's own, or is one of those.
    pub(crate) const fn counts(self, beside: bool) -> bool {
        match self {
            Self::All => true,
            Self::Own => !beside,
            Self::Beside => beside,
        }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Spread;

    use crate::examples::{spread, three, with};
    use crate::fleet::Fleet;

    /// How many replicas with these indexes would be on each node.
    fn counts(fleet: &Fleet, indexes: std::ops::Range<u32>) -> Vec<usize> {
        let after = fleet.after(&fleet.solve()).placement;
        let on = |node| after.iter().filter(|(id, at)| indexes.contains(&id.index) && at.node == node).count();
        fleet.hosts.keys().map(|node| on(node.clone())).collect()
    }

    #[test]
    fn what_stands_beside_a_services_own_is_spread_by_itself() {
        let mut fleet = three();
        // Its own are all in zone a, since there was no other zone when they came.
        for (replica, node) in [("web/0", "n1"), ("web/1", "n1"), ("web/2", "n2"), ("web/3", "n2")] {
            fleet.put(replica, node, "one", &[]);
        }
        let even = Spread { max_skew: Some(1), ..Spread::over("zone") };
        let own = with(|web| {
            web.indexes = (0..4).collect();
            web.rules.spread = vec![even.clone()];
        });
        let beside = with(|web| {
            (web.indexes, web.beside) = ((4..8).collect(), true);
            web.rules.spread = vec![even];
        });
        fleet.add_service("web", [own.clone(), beside]);
        assert_eq!(counts(&fleet, 4..8), [1, 1, 2], "two in each zone, as if the others were not there");
        assert_eq!(counts(&fleet, 0..4), [2, 2, 0]);
        let one = |indexes: std::ops::Range<u32>, beside| {
            with(|web| {
                (web.indexes, web.beside) = (indexes.collect(), beside);
                web.rules.spread = vec![spread("node", Some(1))];
            })
        };
        let mut fleet = three();
        fleet.add_service("web", [one(0..3, false), one(3..6, true)]);
        assert_eq!((counts(&fleet, 0..3), counts(&fleet, 3..6)), (vec![1, 1, 1], vec![1, 1, 1]));
        fleet.add_service("web", [one(0..3, false), one(3..6, false)]);
        assert_eq!(counts(&fleet, 0..6), [1, 1, 1], "no node has two otherwise");
    }
}
