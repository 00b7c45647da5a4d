use std::fmt;
use std::sync::Arc;

use icefield_spec::{IMPLIED_LABELS, Layout, Port};

use super::id::{NodeId, QuotaId, ServiceId};
use super::resource::Amounts;
use super::state::State;
use super::world::World;
use crate::Demand;
use crate::rules::{Binds, Hard, Soft};

/// Alike replicas: one demand of one service, with its rules made ready.
pub(crate) struct Group {
    pub(crate) service: ServiceId,
    pub(crate) demand: Arc<Demand>,
    pub(crate) need: Amounts,
    /// Its ports, in the order of their names.
    pub(crate) ports: Vec<Port>,
    /// Its fixed ports.
    pub(crate) fixed: Vec<u16>,
    /// How many dynamic ports it has.
    pub(crate) dynamic: u32,
    /// The quota that it counts for.
    pub(crate) quota: Option<QuotaId>,
    /// Services that must be apart from it.
    pub(crate) strangers: Vec<ServiceId>,
    /// What must hold, in the order in which reasons are given.
    pub(crate) hard: Vec<Box<dyn Hard>>,
    /// What should hold.
    pub(crate) soft: Vec<Box<dyn Soft>>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("demand", &self.demand).finish_non_exhaustive()
    }
}

impl Group {
    /// The group of `demand`, without rules yet.
    pub(crate) fn new(service: ServiceId, demand: Arc<Demand>, need: Amounts, quota: Option<QuotaId>) -> Self {
        let ports: Vec<Port> = demand.ports.values().copied().collect();
        let fixed = ports.iter().filter_map(|port| match port {
            Port::Fixed(port) => Some(*port),
            Port::Dynamic => None,
        });
        let fixed: Vec<u16> = fixed.collect();
        let dynamic = (ports.len() - fixed.len()) as u32;
        Self {
            service,
            demand,
            need,
            ports,
            fixed,
            dynamic,
            quota,
            strangers: Vec::new(),
            hard: Vec::new(),
            soft: Vec::new(),
        }
    }

    /// Whether every hard rule lets one more replica onto `node`.
    pub(crate) fn admitted(&self, state: &State, node: NodeId) -> bool {
        self.hard.iter().all(|rule| rule.admits(state, node))
    }

    /// Whether `node` takes replicas and has all that one of the group must find, whatever else is there.
    pub(crate) fn is_static(&self, state: &State, node: NodeId) -> bool {
        state.world.is_open(node) && self.hard.iter().all(|rule| !rule.is_static() || rule.admits(state, node))
    }

    /// Whether it is only what else is there that keeps a replica from being anywhere.
    pub(crate) fn is_to_be_fitted(&self, state: &State, index: u32) -> bool {
        let within = |node: &NodeId| self.need.iter().zip(state.world.limits(*node)).all(|(need, limit)| need <= limit);
        let may_be = |node: &NodeId| self.tied_to(state, index).is_none_or(|tie| tie == *node) && within(node);
        self.quota_left(state) > 0 && state.world.open().iter().any(|node| may_be(node) && self.is_static(state, *node))
    }

    /// The node that a replica must be on, if it must; one that there is none of if the node was never heard of.
    pub(crate) fn tied_to(&self, state: &State, index: u32) -> Option<NodeId> {
        let tie = self.demand.ties.get(&index)?;
        Some(state.world.node_called(tie).unwrap_or(NodeId(u32::MAX)))
    }

    /// How many more its quota allows.
    pub(crate) fn quota_left(&self, state: &State) -> u64 {
        let Some(quota) = self.quota else { return u64::MAX };
        let (limits, used) = (&state.world.quotas[quota.at()], state.used(quota));
        let replicas = limits.replicas.map_or(u64::MAX, |most| u64::from(most).saturating_sub(used.replicas));
        let amounts = limits.amounts.iter().zip(&used.amounts).zip(&self.need);
        let left = amounts.filter_map(|((most, used), need)| {
            let left = i128::from((*most)?) - used;
            (*need > 0).then(|| u64::try_from(left / i128::from(*need)).unwrap_or(0))
        });
        left.fold(replicas, u64::min)
    }

    /// The sign of [`Self::weight_on`].
    pub(crate) fn fill_sign(&self) -> i64 {
        match self.demand.rules.layout {
            Layout::Balanced => 1,
            Layout::Packed => -1,
            Layout::Any => 0,
        }
    }

    /// The nodes that take replicas and that every hard rule lets one more onto, by name; of rules that may yet change
    /// their mind in the course of placing alike replicas, only if they are `final_word`.
    pub(crate) fn candidates(&self, state: &State, final_word: bool) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = state.world.open().to_vec();
        for rule in self.hard.iter().filter(|rule| final_word || !rule.may_return()) {
            if nodes.is_empty() {
                break;
            }
            rule.strike(state, &mut nodes);
        }
        nodes
    }

    /// The first rule that a replica breaks by staying on `node`, where it is not counted now.
    pub(crate) fn broken_by_staying(&self, state: &State, node: NodeId) -> Option<&dyn Hard> {
        let broken = self.hard.iter().find(|rule| rule.binds() == Binds::Standing && !rule.admits(state, node));
        broken.map(|rule| &**rule as &dyn Hard)
    }

    /// Whether a replica that stays on `node` breaks a rule together with what is on other nodes.
    pub(crate) fn breaks_across_nodes(&self, state: &State, node: NodeId) -> bool {
        let spanning = self.hard.iter().filter(|rule| rule.spans_nodes() && rule.binds() == Binds::Standing);
        spanning.into_iter().any(|rule| !rule.admits(state, node))
    }

    /// Whether one of its replicas can lose its place without that any came to it.
    pub(crate) fn depends(&self) -> bool {
        self.hard.iter().any(|rule| rule.binds() == Binds::Settled || rule.counts_the_missing())
    }

    /// Whether a replica that stays on `node`, where it is not counted now, lacks the company that it must be in.
    pub(crate) fn is_alone(&self, state: &State, node: NodeId) -> bool {
        self.hard.iter().any(|rule| rule.binds() == Binds::Settled && !rule.admits(state, node))
    }

    /// The largest share that one of its replicas takes of what `node` has of anything, in millionths.
    pub(crate) fn share_of(&self, world: &World, node: NodeId) -> i64 {
        let shares = self.need.iter().zip(world.scales(node)).map(|(need, scale)| (*need as f64 * scale) as i64);
        shares.max().unwrap_or(0)
    }

    /// What one of its replicas makes of a full node: its share, if it should be levelled; less than 0, if packed.
    pub(crate) fn weight_on(&self, world: &World, node: NodeId) -> i64 {
        match self.fill_sign() {
            0 => 0,
            sign => sign * self.share_of(world, node),
        }
    }

    /// Whether a node without `label` may be given one of its own.
    pub(crate) fn may_label(&self, label: &str) -> bool {
        let required = self.demand.rules.require.get(label);
        !IMPLIED_LABELS.contains(&label) && required.is_none_or(|condition| condition.exists != Some(false))
    }

    /// Whether a hard rule asks for certain values of `label`.
    pub(crate) fn requires(&self, label: &str) -> bool {
        self.demand.rules.require.contains_key(label)
    }
}
