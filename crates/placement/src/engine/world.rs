use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use icefield_spec::{Name, Quota};

use super::column::{Column, Columns};
use super::group::Group;
use super::id::{LabelId, NodeId, QuotaId, ReplicaKey, ResourceId, ServiceId};
use super::node::Node;
use super::resource::{Amounts, Resources};
use super::service::Service;
use crate::{Acceptance, Host, Objective, ReplicaId};

/// What there is and what is wanted, by numbers instead of names. It does not change while an engine decides.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) resources: Resources,
    pub(crate) nodes: Vec<Node>,
    acceptances: Vec<Acceptance>,
    tainted: Vec<bool>,
    /// What replicas may use of each node, resource by resource.
    limits: Vec<i64>,
    /// A millionth part of that, inverted; 0 if there is none.
    scales: Vec<f64>,
    /// What each node has.
    whole: Vec<i64>,
    /// What each node keeps in reserve.
    reserves: Vec<i64>,
    /// The most that replicas may use of any node.
    largest: Vec<i64>,
    /// What replicas may use of all nodes together.
    totals: Vec<i128>,
    /// The nodes that are there, by name.
    order: Vec<NodeId>,
    /// The place of each node in the order.
    ranks: Vec<u32>,
    /// Those of the order that take replicas.
    open: Vec<NodeId>,
    /// Whether the order may be outdated.
    unordered: bool,
    /// Whether what is open, or the largest, may be.
    stale: bool,
    /// How often nodes have come or gone, or the largest has.
    generation: u64,
    node_by_name: HashMap<Name, NodeId>,
    pub(crate) columns: Columns,
    pub(crate) services: Vec<Service>,
    service_by_name: BTreeMap<Name, ServiceId>,
    pub(crate) quotas: Vec<Limits>,
    pub(crate) objective: Objective,
    /// Whether a resource is needed on both nodes of a move.
    pub(crate) transient: Vec<bool>,
    /// Whether replicas may use what nodes keep in reserve of a resource.
    soft: Vec<bool>,
}

/// The quota of one namespace.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) namespace: Name,
    pub(crate) replicas: Option<u32>,
    /// By resource.
    pub(crate) amounts: Vec<Option<i64>>,
}

impl Limits {
    fn new(namespace: &Name, quota: &Quota, resources: &Resources) -> Self {
        let all = resources.amounts(quota.cpu.unwrap_or_default(), quota.memory.unwrap_or_default(), &quota.resources);
        let limited = |resource: ResourceId| match resource {
            ResourceId::CPU => quota.cpu.is_some(),
            ResourceId::MEMORY => quota.memory.is_some(),
            other => quota.resources.contains_key(resources.name(other)),
        };
        let amounts = resources.ids().map(|resource| limited(resource).then(|| all[resource.at()])).collect();
        Self { namespace: namespace.clone(), replicas: quota.replicas, amounts }
    }
}

impl World {
    /// Nothing but what the names of resources mean.
    pub(crate) fn new(resources: Resources, objective: Objective, quotas: &BTreeMap<Name, Quota>) -> Self {
        let mut columns = Columns::default();
        // One replica a node is a rule about this label, whether or not any says so.
        columns.intern("node", &[]);
        let named = |test: &dyn Fn(&str) -> bool| resources.ids().map(|id| test(resources.name(id))).collect();
        Self {
            transient: named(&|name| objective.transient.contains(name)),
            soft: named(&|name| objective.soft_reserve.contains_key(name)),
            quotas: quotas.iter().map(|(name, quota)| Limits::new(name, quota, &resources)).collect(),
            totals: vec![0; resources.len()],
            largest: vec![0; resources.len()],
            resources,
            nodes: Vec::new(),
            acceptances: Vec::new(),
            tainted: Vec::new(),
            limits: Vec::new(),
            whole: Vec::new(),
            scales: Vec::new(),
            reserves: Vec::new(),
            order: Vec::new(),
            ranks: Vec::new(),
            open: Vec::new(),
            unordered: false,
            stale: false,
            generation: 0,
            node_by_name: HashMap::new(),
            columns,
            services: Vec::new(),
            service_by_name: BTreeMap::new(),
            objective,
        }
    }

    /// The node called `name`, which need not be there.
    pub(crate) fn intern_node(&mut self, name: &Name) -> NodeId {
        if let Some(known) = self.node_by_name.get(name) {
            return *known;
        }
        let id = NodeId::new(self.nodes.len());
        self.nodes.push(Node { name: name.clone(), host: None });
        for numbers in [&mut self.limits, &mut self.whole, &mut self.reserves] {
            numbers.resize(numbers.len() + self.resources.len(), 0);
        }
        self.scales.resize(self.limits.len(), 0.0);
        self.ranks.push(u32::MAX);
        self.acceptances.push(Acceptance::Lost);
        self.tainted.push(false);
        self.columns.set(id, &self.nodes[id.at()]);
        self.node_by_name.insert(name.clone(), id);
        id
    }

    /// Sets what node `id` is; call [`Self::refresh`] before anything is decided.
    pub(crate) fn set_node(&mut self, id: NodeId, host: Option<Arc<Host>>) {
        let size = self.resources.len();
        let none = || vec![0; size].into_boxed_slice();
        let (whole, reserve): (Amounts, Amounts) = match &host {
            None => (none(), none()),
            Some(host) => {
                let reserve = &host.reserve;
                let reserve = self.resources.amounts(reserve.cpu, reserve.memory, &reserve.resources);
                (self.resources.amounts(host.cpu, host.memory, &host.resources), reserve)
            }
        };
        for at in 0..size {
            let to = id.at() * size + at;
            self.whole[to] = whole[at];
            self.reserves[to] = reserve[at];
            self.totals[at] -= i128::from(self.limits[to]);
            self.limits[to] = if self.soft[at] { whole[at] } else { (whole[at] - reserve[at]).max(0) };
            self.totals[at] += i128::from(self.limits[to]);
            let limit = self.limits[to];
            let scale = if limit == 0 { 0.0 } else { 1e6 / limit as f64 };
            self.stale |= scale != self.scales[to];
            self.scales[to] = scale;
        }
        let acceptance = host.as_ref().map_or(Acceptance::Lost, |host| host.acceptance);
        let presence = self.nodes[id.at()].host.is_some() != host.is_some();
        self.generation += u64::from(presence);
        self.unordered |= presence;
        self.stale |= presence || self.acceptances[id.at()] != acceptance;
        self.acceptances[id.at()] = acceptance;
        self.tainted[id.at()] = host.as_ref().is_some_and(|host| !host.taints.is_empty());
        self.nodes[id.at()].host = host;
        self.columns.set(id, &self.nodes[id.at()]);
    }

    /// Brings the order by names up to date, and what is open.
    pub(crate) fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        if std::mem::take(&mut self.unordered) {
            self.sort();
        }
        let size = self.resources.len();
        let most = |at: usize| self.order.iter().map(|node| self.limits[node.at() * size + at]).max().unwrap_or(0);
        let largest: Vec<i64> = (0..size).map(most).collect();
        self.generation += u64::from(largest != self.largest);
        self.largest = largest;
        let open = self.order.iter().copied().filter(|id| self.acceptances[id.at()] == Acceptance::Ready);
        self.open = open.collect();
    }

    fn sort(&mut self) {
        let nodes = &self.nodes;
        self.order.retain(|id| nodes[id.at()].host.is_some());
        let ranks = &self.ranks;
        let new = (0..nodes.len()).filter(|at| ranks[*at] == u32::MAX && nodes[*at].host.is_some()).map(NodeId::new);
        self.order.extend(new);
        // Nearly sorted already, which this sort makes use of.
        self.order.sort_by(|a, b| nodes[a.at()].name.cmp(&nodes[b.at()].name));
        self.ranks.fill(u32::MAX);
        for (rank, id) in self.order.iter().enumerate() {
            self.ranks[id.at()] = rank as u32;
        }
    }

    /// The service called `name`, which need not be wanted.
    pub(crate) fn intern_service(&mut self, name: &Name) -> ServiceId {
        if let Some(known) = self.service_by_name.get(name) {
            return *known;
        }
        let id = ServiceId::new(self.services.len());
        self.services.push(Service::new(name.clone()));
        self.service_by_name.insert(name.clone(), id);
        id
    }

    pub(crate) fn service_called(&self, name: &Name) -> Option<ServiceId> {
        self.service_by_name.get(name).copied()
    }

    /// The node called `name`, whether there or not.
    pub(crate) fn node_called(&self, name: &Name) -> Option<NodeId> {
        self.node_by_name.get(name).copied()
    }

    pub(crate) fn quota_called(&self, namespace: &Name) -> Option<QuotaId> {
        self.quotas.iter().position(|limits| limits.namespace == *namespace).map(QuotaId::new)
    }

    /// The nodes that are there, by name.
    pub(crate) fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The place of `node` among those that are there, by name.
    pub(crate) fn rank(&self, node: NodeId) -> u32 {
        self.ranks[node.at()]
    }

    /// The nodes that take replicas, by name.
    pub(crate) fn open(&self) -> &[NodeId] {
        &self.open
    }

    /// Whether `node` takes and keeps replicas; one that is not there is lost.
    pub(crate) fn acceptance(&self, node: NodeId) -> Acceptance {
        self.acceptances[node.at()]
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.at()]
    }

    pub(crate) fn name(&self, node: NodeId) -> &Name {
        &self.nodes[node.at()].name
    }

    /// What replicas may use of `node`.
    pub(crate) fn limits(&self, node: NodeId) -> &[i64] {
        self.part(&self.limits, node)
    }

    /// What `node` has.
    pub(crate) fn whole(&self, node: NodeId) -> &[i64] {
        self.part(&self.whole, node)
    }

    /// What `node` keeps in reserve.
    pub(crate) fn reserve(&self, node: NodeId) -> &[i64] {
        self.part(&self.reserves, node)
    }

    /// Whether replicas may use what nodes keep in reserve of `resource`.
    pub(crate) fn is_soft(&self, resource: ResourceId) -> bool {
        self.soft[resource.at()]
    }

    /// What turns an amount into millionths of what replicas may use of `node`.
    pub(crate) fn scales(&self, node: NodeId) -> &[f64] {
        self.part(&self.scales, node)
    }

    fn part<'a, T>(&self, numbers: &'a [T], node: NodeId) -> &'a [T] {
        let size = self.resources.len();
        &numbers[node.at() * size..][..size]
    }

    pub(crate) fn column(&self, label: LabelId) -> &Column {
        self.columns.get(label)
    }

    pub(crate) fn service(&self, service: ServiceId) -> &Service {
        &self.services[service.at()]
    }

    /// The largest share that `need` takes of what all nodes have together of anything, in billionths.
    pub(crate) fn typical_share(&self, need: &[i64]) -> i64 {
        let share = |(need, all): (&i64, &i128)| i128::from(*need) * 1_000_000_000 / (*all).max(1);
        let largest = need.iter().zip(&self.totals).map(share).max().unwrap_or(0);
        i64::try_from(largest).unwrap_or(i64::MAX)
    }

    /// A number that is another one whenever the order of names may be.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether `node` takes replicas.
    pub(crate) fn is_open(&self, node: NodeId) -> bool {
        self.acceptances[node.at()] == Acceptance::Ready
    }

    /// How large `node` is, in millionths of the largest: of CPU and memory, by what it has the smaller part of.
    pub(crate) fn size(&self, node: NodeId) -> i64 {
        let parts = self.limits(node).iter().zip(&self.largest).take(2).filter(|(_, largest)| **largest > 0);
        let parts = parts.map(|(limit, largest)| (*limit as f64 * 1e6 / *largest as f64) as i64);
        parts.min().unwrap_or(1_000_000)
    }

    /// Whether `node` has any taint.
    pub(crate) fn is_tainted(&self, node: NodeId) -> bool {
        self.tainted[node.at()]
    }

    /// The group that a wanted replica is of.
    pub(crate) fn group_of(&self, key: ReplicaKey) -> Option<&Arc<Group>> {
        let service = self.service(key.service);
        service.replica(key.index).map(|replica| &service.groups[replica.group as usize])
    }

    /// What the replica is called.
    pub(crate) fn replica_id(&self, key: ReplicaKey) -> ReplicaId {
        ReplicaId::new(self.service(key.service).name.clone(), key.index)
    }
}
