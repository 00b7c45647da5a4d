use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use icefield_spec::Name;

use super::column::{Column, Columns};
use super::group::Group;
use super::id::{GroupId, LabelId, NodeId, ReplicaNo, ServiceId};
use super::node::Node;
use crate::rules::{Resource, ServiceRules};
use crate::{Demand, Host, ReplicaId};

/// What there is and what is wanted, by numbers instead of names. It does not change while an engine works.
pub(crate) struct World<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    /// What all nodes have together.
    pub(crate) capacity: [u128; Resource::ALL.len()],
    pub(crate) columns: Columns<'a>,
    pub(crate) services: Vec<WantedService<'a>>,
    pub(crate) groups: Vec<Group<'a>>,
    pub(crate) replicas: Vec<Wanted>,
    by_name: HashMap<&'a str, NodeId>,
}

/// A service of which replicas are wanted.
pub(crate) struct WantedService<'a> {
    pub(crate) name: &'a Name,
    /// The labels that its replicas are spread over.
    pub(crate) labels: Vec<LabelId>,
    /// Its replicas, by index.
    pub(crate) replicas: Range<usize>,
}

/// A replica that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) group: GroupId,
    pub(crate) index: u32,
}

impl<'a> World<'a> {
    pub(crate) fn new(hosts: &'a BTreeMap<Name, Host>, services: &'a BTreeMap<Name, Vec<Demand>>) -> Self {
        let nodes: Vec<_> = hosts.values().map(Node::new).collect();
        let by_name = hosts.keys().map(Name::as_str).zip((0..).map(NodeId)).collect();
        let total = |resource: Resource| nodes.iter().map(|node| u128::from(node.capacity[resource.at()])).sum();
        let mut world = Self {
            capacity: Resource::ALL.map(total),
            nodes,
            columns: Columns::default(),
            services: Vec::with_capacity(services.len()),
            groups: Vec::new(),
            replicas: Vec::new(),
            by_name,
        };
        for (name, demands) in services {
            world.add_service(name, demands);
        }
        world
    }

    fn add_service(&mut self, name: &'a Name, demands: &'a [Demand]) {
        let service = ServiceId::new(self.services.len());
        let start = self.replicas.len();
        let rules = ServiceRules::new(service, demands, &self.nodes, &mut self.columns);
        for demand in demands {
            let group = GroupId::new(self.groups.len());
            self.replicas.extend(demand.indexes.iter().map(|index| Wanted { group, index: *index }));
            self.groups.push(Group::new(service, demand, &rules, &self.nodes, &mut self.columns));
        }
        // Two demands for the same index are a mistake of the caller; the first of them holds.
        let mut seen = HashSet::new();
        let mut own = self.replicas.split_off(start);
        if demands.len() > 1 || !own.is_sorted_by(|a, b| a.index < b.index) {
            own.retain(|replica| seen.insert(replica.index));
            own.sort_by_key(|replica| replica.index);
        }
        self.replicas.append(&mut own);
        self.services.push(WantedService { name, labels: rules.labels, replicas: start..self.replicas.len() });
    }

    /// The node called `name`.
    pub(crate) fn node_called(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// All nodes, by name.
    pub(crate) fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::new)
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node<'a> {
        &self.nodes[node.at()]
    }

    pub(crate) fn host(&self, node: NodeId) -> &'a Host {
        self.nodes[node.at()].host
    }

    pub(crate) fn name(&self, node: NodeId) -> &'a Name {
        &self.nodes[node.at()].host.name
    }

    pub(crate) fn column(&self, label: LabelId) -> &Column<'a> {
        self.columns.get(label)
    }

    pub(crate) fn service(&self, service: ServiceId) -> &WantedService<'a> {
        &self.services[service.at()]
    }

    pub(crate) fn group(&self, group: GroupId) -> &Group<'a> {
        &self.groups[group.at()]
    }

    /// The group that `replica` is of.
    pub(crate) fn group_of(&self, replica: ReplicaNo) -> &Group<'a> {
        self.group(self.replicas[replica.at()].group)
    }

    /// What `replica` is called.
    pub(crate) fn replica_id(&self, replica: ReplicaNo) -> ReplicaId {
        let wanted = self.replicas[replica.at()];
        ReplicaId::new(self.service(self.group(wanted.group).service).name.clone(), wanted.index)
    }

    /// The wanted replica called `id`.
    pub(crate) fn replica_called(&self, id: &ReplicaId) -> Option<ReplicaNo> {
        let service = self.services.binary_search_by(|service| service.name.cmp(&id.service)).ok()?;
        let range = self.services[service].replicas.clone();
        let at = self.replicas[range.clone()].binary_search_by_key(&id.index, |wanted| wanted.index).ok()?;
        Some(ReplicaNo::new(range.start + at))
    }
}
