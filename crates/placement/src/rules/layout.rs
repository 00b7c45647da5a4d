use icefield_spec::Layout;

use super::Soft;
use crate::engine::{Group, NodeId, State, World};

/// Soft: the emptier the node, the better, or the fuller if the service is to be packed.
///
/// A node's fullness is the share in use of what it has least of. Every replica costs its own share of the node times
/// the node's fullness (gains it, if packed), and of that what the node's size is of the largest, so that large and small
/// nodes fill alike. For a whole node it comes to less than one point: it only decides between nodes that are alike to
/// all other rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fill {
    layout: Layout,
    need: Box<[i64]>,
}

impl Fill {
    /// `None` if it does not matter to `group`.
    pub(crate) fn new(group: &Group) -> Option<Self> {
        let layout = group.demand.rules.layout;
        (layout != Layout::Any).then(|| Self { layout, need: group.need.clone() })
    }

    /// Whether `node` has what one more replica needs.
    pub(crate) fn fits(&self, state: &State, node: NodeId) -> bool {
        self.need.iter().zip(state.free(node)).all(|(need, free)| need <= free || *need == 0)
    }

    /// The node's fullness without and with the replica, and the replica's own share, in millionths.
    fn shares(&self, state: &State, node: NodeId) -> (i64, i64, i64) {
        let scales = state.world.scales(node);
        let amounts = state.free(node).iter().zip(state.world.limits(node)).zip(&self.need);
        let (mut after, mut own) = (0.0_f64, 0.0_f64);
        for (scale, ((free, limit), need)) in scales.iter().zip(amounts) {
            let used = limit.saturating_sub(*free).saturating_add(*need);
            after = after.max(used as f64 * scale);
            own = own.max(*need as f64 * scale);
        }
        (state.full(node), after as i64, own as i64)
    }
}

impl Soft for Fill {
    fn name(&self, _world: &World) -> String {
        match self.layout {
            Layout::Packed => "packed".into(),
            _ => "balanced".into(),
        }
    }

    fn points(&self, state: &State, node: NodeId) -> i64 {
        let (before, after, own) = self.shares(state, node);
        let weight = if self.layout == Layout::Packed { -own } else { own };
        let fill = state.fill(node);
        let size = state.world.size(node);
        cost(before, fill, size) - cost(after, fill + weight, size)
    }

    fn most(&self, _state: &State) -> Option<i64> {
        None
    }

    fn is_by_size(&self) -> bool {
        true
    }

    fn fact(&self, state: &State, node: NodeId) -> String {
        let (_, after, _) = self.shares(state, node);
        format!("{:.0}% of {} would be in use", after as f64 / 10_000.0, state.world.name(node))
    }
}

/// Of what is over-committed no more is counted than fits 64 bits.
const MOST: i64 = 1 << 26;

/// What a node costs that is so full, with replicas that make so much of it, and so large; all in millionths.
fn cost(full: i64, fill: i64, size: i64) -> i64 {
    full.min(MOST) * fill.clamp(-MOST, MOST) / 1000 * size / 1_000_000
}

#[cfg(test)]
mod tests {
    use icefield_spec::Layout;

    use crate::examples::{counts, three};
    use crate::fleet::demand;

    #[test]
    fn packed_services_fill_one_node_and_balanced_ones_level() {
        let mut fleet = three();
        let mut packed = demand(16);
        packed.rules.layout = Layout::Packed;
        fleet.add_service("packed", [packed]);
        assert_eq!(counts(&fleet), [16, 0, 0]);
        fleet.add_service("packed", []).add_service("level", [demand(16)]);
        assert_eq!(counts(&fleet), [6, 5, 5]);
    }
}
