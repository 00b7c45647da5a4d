use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icefield_spec::Port;

use super::agenda::Agenda;
use super::group::Group;
use super::id::{LabelId, NodeId, QuotaId, ReplicaKey, ServiceId};
use super::ladder::{Ladder, Ladders};
use super::port_set::PortSet;
use super::service::Spot;
use super::side::Side;
use super::tally::Tally;
use super::used::Used;
use super::world::World;
use crate::rules::Fill;
use crate::{Assignment, ReplicaId};

/// Which replica is where, and what that leaves free: the engine's working copy.
///
/// Between decisions it shows what the world outside has. While the engine decides, steps are noted, so that they can
/// be taken back.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    /// By node, then by resource. Below 0 where what is there already needs more than there is.
    free: Vec<i64>,
    ports: Vec<PortSet>,
    on_node: Vec<Vec<ReplicaKey>>,
    pub(super) tallies: Vec<Tally>,
    /// For each node, what its replicas' shares of it come to, by what they make of a full node.
    fills: Vec<i64>,
    /// For each node, the share in use of what it has least of, in millionths.
    full: Vec<i64>,
    used: Vec<Used>,
    /// The priorities of what is placed, with how many have each.
    priorities: BTreeMap<i32, u32>,
    /// What must be looked at before anything is placed.
    pub(crate) agenda: Agenda,
    steps: Option<Vec<Step>>,
    ladders: Ladders,
    /// Services of which the smallest count of a domain is at hand.
    pub(super) floors: Vec<ServiceId>,
}

/// Something that was done while deciding.
#[derive(Debug)]
enum Step {
    Put(ReplicaKey),
    Taken(ReplicaKey, Spot),
    /// What it needs on both ends of a move, so many times.
    Charged(ReplicaKey, NodeId, i64),
}

impl State {
    /// Nothing is anywhere.
    pub(crate) fn new(world: World) -> Self {
        let used = Used { replicas: 0, amounts: vec![0; world.resources.len()] };
        Self {
            used: vec![used; world.quotas.len()],
            world,
            free: Vec::new(),
            ports: Vec::new(),
            on_node: Vec::new(),
            tallies: Vec::new(),
            fills: Vec::new(),
            full: Vec::new(),
            priorities: BTreeMap::new(),
            agenda: Agenda::default(),
            steps: None,
            ladders: Ladders::default(),
            floors: Vec::new(),
        }
    }

    /// Makes room for the nodes and services that the world has got.
    pub(crate) fn grow(&mut self) {
        let size = self.world.resources.len();
        while self.ports.len() < self.world.nodes.len() {
            let node = NodeId::new(self.ports.len());
            self.ports.push(PortSet::new(self.port_range(node)));
            self.on_node.push(Vec::new());
            self.fills.push(0);
            self.full.push(0);
            self.free.extend_from_slice(self.world.limits(node));
        }
        debug_assert_eq!(self.free.len(), self.world.nodes.len() * size);
        self.tallies.resize_with(self.world.services.len(), Tally::default);
    }

    fn port_range(&self, node: NodeId) -> icefield_spec::PortRange {
        self.world.node(node).host.as_ref().map_or_else(Default::default, |host| host.ports)
    }

    /// Takes over the size of `node`, on which nothing may be.
    pub(crate) fn reset_node(&mut self, node: NodeId) {
        let size = self.world.resources.len();
        self.free[node.at() * size..][..size].copy_from_slice(self.world.limits(node));
        self.ports[node.at()] = PortSet::new(self.port_range(node));
        self.measure(node);
    }

    pub(crate) fn free(&self, node: NodeId) -> &[i64] {
        let size = self.world.resources.len();
        &self.free[node.at() * size..][..size]
    }

    /// All that is free: by node, then by resource.
    pub(crate) fn all_free(&self) -> &[i64] {
        &self.free
    }

    pub(crate) fn ports(&self, node: NodeId) -> &PortSet {
        &self.ports[node.at()]
    }

    pub(crate) fn on_node(&self, node: NodeId) -> &[ReplicaKey] {
        &self.on_node[node.at()]
    }

    pub(crate) fn tally(&self, service: ServiceId) -> &Tally {
        &self.tallies[service.at()]
    }

    /// From now on that side of `service` is counted by `label` too; gives back the number to ask with.
    pub(crate) fn count_by(&mut self, service: ServiceId, side: Side, label: LabelId) -> usize {
        self.grow();
        self.tallies[service.at()].count_by(label, side, &self.world.columns)
    }

    pub(crate) fn fill(&self, node: NodeId) -> i64 {
        self.fills[node.at()]
    }

    pub(crate) fn full(&self, node: NodeId) -> i64 {
        self.full[node.at()]
    }

    /// What `look` sees, given the order of nodes for replicas of a size.
    pub(crate) fn with_ladder<T>(&mut self, size: &Fill, look: impl FnOnce(&Self, &Ladder) -> T) -> T {
        let mut ladders = std::mem::take(&mut self.ladders);
        let seen = look(self, ladders.order(self, size));
        self.ladders = ladders;
        seen
    }

    /// Brings up to date how full `node` is.
    fn measure(&mut self, node: NodeId) {
        let used = self.free(node).iter().zip(self.world.limits(node)).zip(self.world.scales(node));
        let shares = used.map(|((free, limit), scale)| limit.saturating_sub(*free) as f64 * scale);
        self.full[node.at()] = shares.fold(0.0, f64::max) as i64;
        self.ladders.changed(node);
    }

    pub(crate) fn used(&self, quota: QuotaId) -> &Used {
        &self.used[quota.at()]
    }

    /// Whether a replica of lower priority than `priority` is anywhere.
    pub(crate) fn has_lower_than(&self, priority: i32) -> bool {
        self.priorities.first_key_value().is_some_and(|(lowest, _)| *lowest < priority)
    }

    pub(crate) fn spot(&self, key: ReplicaKey) -> Option<&Spot> {
        self.world.service(key.service).replica(key.index)?.spot.as_ref()
    }

    /// Whether `node` could hold what `group` needs besides what is there, as far as numbers go.
    pub(crate) fn can_count(&self, group: &Group, node: NodeId) -> bool {
        let all = self.free(node).iter().zip(&group.need);
        all.into_iter().all(|(free, need)| free.checked_sub(*need).is_some_and(|left| left > i64::MIN / 2))
    }

    /// From now on steps are noted.
    pub(crate) fn begin(&mut self) {
        self.world.refresh();
        self.steps = Some(Vec::new());
    }

    /// The replicas that were touched since [`Self::begin`].
    pub(crate) fn touched(&self) -> BTreeSet<ReplicaKey> {
        let key = |step: &Step| match step {
            Step::Put(key) | Step::Taken(key, _) | Step::Charged(key, ..) => *key,
        };
        self.steps.iter().flatten().map(key).collect()
    }

    /// How many steps were taken since [`Self::begin`].
    pub(crate) fn mark(&self) -> usize {
        self.steps.as_ref().map_or(0, Vec::len)
    }

    /// Takes back all steps since [`Self::begin`].
    pub(crate) fn take_back(&mut self) {
        self.take_back_to(0);
        self.steps = None;
        for service in std::mem::take(&mut self.floors) {
            self.tallies[service.at()].lift_floors();
        }
    }

    /// Takes back all steps since `mark`.
    pub(crate) fn take_back_to(&mut self, mark: usize) {
        let Some(mut steps) = self.steps.take() else { return };
        for step in steps.drain(mark.min(steps.len())..).rev() {
            match step {
                Step::Put(key) => drop(self.take_away(key)),
                Step::Taken(key, spot) => self.put_exactly(key, spot),
                Step::Charged(key, node, times) => self.charge(key, node, -times),
            }
        }
        self.steps = Some(steps);
    }

    /// Puts `replica` on `node`, which must admit it. Of its ports, dynamic ones are those of `wishes` that are free
    /// (in the order of the ports' names), else the lowest free.
    pub(crate) fn put(&mut self, key: ReplicaKey, node: NodeId, wishes: &[u16]) {
        let Some(group) = self.world.group_of(key).cloned() else { return };
        let set = &mut self.ports[node.at()];
        let mut ports: Box<[u16]> = vec![0; group.ports.len()].into();
        for (at, port) in group.ports.iter().enumerate() {
            let granted = match port {
                Port::Fixed(port) => *port,
                Port::Dynamic => wishes.get(at).copied().filter(|wish| set.owner(*wish).is_none()).unwrap_or(0),
            };
            if granted != 0 {
                set.take(granted, key);
                ports[at] = granted;
            }
        }
        for port in ports.iter_mut().filter(|port| **port == 0) {
            *port = set.take_lowest(key).expect("the rule for dynamic ports admits no node with too few of them");
        }
        self.count(key, &group, Spot { node, ports });
    }

    /// Puts `replica` where `spot` says; ports that another one has are left out. Gives back whether there were any.
    pub(crate) fn put_as_is(&mut self, key: ReplicaKey, mut spot: Spot) -> bool {
        let Some(group) = self.world.group_of(key).cloned() else { return false };
        let mut clash = false;
        let set = &mut self.ports[spot.node.at()];
        for port in spot.ports.iter_mut().filter(|port| **port != 0) {
            if set.owner(*port).is_some() {
                clash = true;
                *port = 0;
            } else {
                set.take(*port, key);
            }
        }
        self.count(key, &group, spot);
        clash
    }

    fn put_exactly(&mut self, key: ReplicaKey, spot: Spot) {
        self.put_as_is(key, spot);
    }

    fn count(&mut self, key: ReplicaKey, group: &Arc<Group>, spot: Spot) {
        let node = spot.node;
        self.add_need(group, node, 1);
        let slot = self.on_node[node.at()].len() as u32;
        self.on_node[node.at()].push(key);
        self.tallies[key.service.at()].add(node, group.demand.beside, &self.world.columns);
        *self.priorities.entry(group.demand.priority).or_default() += 1;
        if let Some(replica) = self.world.services[key.service.at()].replica_mut(key.index) {
            replica.spot = Some(spot);
            replica.slot = slot;
        }
        if let Some(steps) = &mut self.steps {
            steps.push(Step::Put(key));
        }
    }

    /// Takes `replica` away from where it is.
    pub(crate) fn take_away(&mut self, key: ReplicaKey) -> Option<Spot> {
        let group = Arc::clone(self.world.group_of(key)?);
        let replica = self.world.services[key.service.at()].replica_mut(key.index)?;
        let spot = replica.spot.take()?;
        let (node, slot) = (spot.node, replica.slot);
        self.add_need(&group, node, -1);
        for port in spot.ports.iter().filter(|port| **port != 0) {
            self.ports[node.at()].release(*port);
        }
        let on_node = &mut self.on_node[node.at()];
        on_node.swap_remove(slot as usize);
        if let Some(moved) = on_node.get(slot as usize).copied()
            && let Some(replica) = self.world.services[moved.service.at()].replica_mut(moved.index)
        {
            replica.slot = slot;
        }
        self.tallies[key.service.at()].subtract(node, group.demand.beside, &self.world.columns);
        if let Some(count) = self.priorities.get_mut(&group.demand.priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&group.demand.priority);
            }
        }
        if let Some(steps) = &mut self.steps {
            steps.push(Step::Taken(key, spot.clone()));
        }
        Some(spot)
    }

    fn add_need(&mut self, group: &Group, node: NodeId, times: i64) {
        let size = self.world.resources.len();
        for (free, need) in self.free[node.at() * size..][..size].iter_mut().zip(&group.need) {
            *free -= need * times;
        }
        self.fills[node.at()] += group.weight_on(&self.world, node) * times;
        self.measure(node);
        if let Some(quota) = group.quota {
            let used = &mut self.used[quota.at()];
            used.replicas = used.replicas.wrapping_add_signed(times);
            for (used, need) in used.amounts.iter_mut().zip(&group.need) {
                *used += i128::from(need * times);
            }
        }
    }

    /// Notes that a replica that has left `node` still needs there what is needed on both ends of a move.
    pub(crate) fn linger(&mut self, key: ReplicaKey, node: NodeId) {
        self.note_charge(key, node, 1);
    }

    /// [`Self::linger`], if it is on `node` as far as the world outside knows; says whether it is.
    pub(crate) fn linger_if_home(&mut self, key: ReplicaKey, node: NodeId) -> bool {
        let replica = self.world.service(key.service).replica(key.index);
        let is_home = replica.is_some_and(|replica| replica.home == Some(node));
        if is_home {
            self.linger(key, node);
        }
        is_home
    }

    /// Notes that a replica that [lingered](Self::linger) on `node` has not left it after all, or may not.
    pub(crate) fn stop_lingering(&mut self, key: ReplicaKey, node: NodeId) {
        self.note_charge(key, node, -1);
    }

    fn note_charge(&mut self, key: ReplicaKey, node: NodeId, times: i64) {
        if self.world.transient.contains(&true) {
            self.charge(key, node, times);
            if let Some(steps) = &mut self.steps {
                steps.push(Step::Charged(key, node, times));
            }
        }
    }

    /// Whether a replica of `service` lacks the company that it must be in.
    pub(crate) fn has_abandoned(&self, service: ServiceId) -> bool {
        let service = self.world.service(service);
        service.replicas.iter().any(|replica| {
            let group = &service.groups[replica.group as usize];
            replica.spot.as_ref().is_some_and(|spot| group.is_alone(self, spot.node))
        })
    }

    /// Whether a replica is wanted.
    pub(crate) fn is_wanted(&self, id: &ReplicaId) -> bool {
        let service = self.world.service_called(&id.service);
        service.is_some_and(|service| self.world.service(service).replica(id.index).is_some())
    }

    fn charge(&mut self, key: ReplicaKey, node: NodeId, times: i64) {
        let Some(group) = self.world.group_of(key).cloned() else { return };
        let size = self.world.resources.len();
        let free = self.free[node.at() * size..][..size].iter_mut();
        for ((free, need), transient) in free.zip(&group.need).zip(&self.world.transient) {
            *free -= if *transient { need * times } else { 0 };
        }
        self.measure(node);
    }

    /// What the world outside knows `spot` of `replica` as.
    pub(crate) fn assignment(&self, key: ReplicaKey, spot: &Spot) -> Option<Assignment> {
        let demand = &self.world.group_of(key)?.demand;
        Some(Assignment {
            node: self.world.name(spot.node).clone(),
            revision: demand.revision,
            ports: demand.ports.keys().cloned().zip(spot.ports.iter().copied()).collect(),
        })
    }
}
