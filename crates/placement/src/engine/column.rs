use std::collections::HashMap;

use super::id::{DomainId, LabelId, NodeId};
use super::node::Node;

/// One label over all nodes: which value each has.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) label: String,
    domains: Vec<Option<DomainId>>,
    values: Vec<String>,
    /// How many nodes have each value.
    members: Vec<u32>,
    by_value: HashMap<String, DomainId>,
    /// How many nodes share their value with another.
    sharing: usize,
}

impl Column {
    fn new(label: &str, nodes: &[Node]) -> Self {
        let mut column = Self {
            label: label.to_owned(),
            domains: Vec::with_capacity(nodes.len()),
            values: Vec::new(),
            members: Vec::new(),
            by_value: HashMap::new(),
            sharing: 0,
        };
        for (at, node) in nodes.iter().enumerate() {
            column.set(NodeId::new(at), node);
        }
        column
    }

    /// Takes note of what `node` is now.
    fn set(&mut self, id: NodeId, node: &Node) {
        if self.domains.len() <= id.at() {
            self.domains.resize(id.at() + 1, None);
        }
        let value = node.host.as_ref().and_then(|host| host.labels.get(&self.label));
        let after = value.map(|value| self.intern(value));
        let before = std::mem::replace(&mut self.domains[id.at()], after);
        if let Some(before) = before {
            self.members[before.at()] -= 1;
            self.sharing -= usize::from(self.members[before.at()] > 0);
        }
        if let Some(after) = after {
            self.members[after.at()] += 1;
            self.sharing += usize::from(self.members[after.at()] > 1);
        }
    }

    fn intern(&mut self, value: &str) -> DomainId {
        if let Some(known) = self.by_value.get(value) {
            return *known;
        }
        let id = DomainId::new(self.values.len());
        self.values.push(value.to_owned());
        self.members.push(0);
        self.by_value.insert(value.to_owned(), id);
        id
    }

    /// The value that `node` has.
    pub(crate) fn domain(&self, node: NodeId) -> Option<DomainId> {
        self.domains[node.at()]
    }

    /// The value that `node` has, as text.
    pub(crate) fn value(&self, node: NodeId) -> Option<&str> {
        self.domain(node).map(|domain| self.values[domain.at()].as_str())
    }

    /// All values, those that no node has any more among them.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// `domain` as text.
    pub(crate) fn text(&self, domain: DomainId) -> &str {
        &self.values[domain.at()]
    }

    /// The values that some node has.
    pub(crate) fn inhabited(&self) -> impl Iterator<Item = DomainId> {
        let all = self.members.iter().enumerate().filter(|(_, members)| **members > 0);
        all.map(|(domain, _)| DomainId::new(domain))
    }

    /// The nodes that have `value`, if any ever had.
    pub(crate) fn find(&self, value: &str) -> Option<DomainId> {
        self.by_value.get(value).copied()
    }

    /// Whether no two nodes have the same value, as with the label `node`.
    pub(crate) fn is_unique(&self) -> bool {
        self.sharing == 0
    }

    /// `node` by its value: `"zone a"`; `"no zone"` if it has none.
    pub(crate) fn describe(&self, node: NodeId) -> String {
        match self.value(node) {
            Some(value) => format!("{} {value}", self.label),
            None => format!("no {}", self.label),
        }
    }
}

/// The columns of all labels that a rule speaks of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    by_label: HashMap<String, LabelId>,
}

impl Columns {
    /// The column of `label`, made when it is first asked for.
    pub(crate) fn intern(&mut self, label: &str, nodes: &[Node]) -> LabelId {
        if let Some(known) = self.by_label.get(label) {
            return *known;
        }
        let id = LabelId::new(self.columns.len());
        self.columns.push(Column::new(label, nodes));
        self.by_label.insert(label.to_owned(), id);
        id
    }

    pub(crate) fn find(&self, label: &str) -> Option<LabelId> {
        self.by_label.get(label).copied()
    }

    pub(crate) fn get(&self, label: LabelId) -> &Column {
        &self.columns[label.at()]
    }

    /// Takes note of what `node` is now.
    pub(crate) fn set(&mut self, id: NodeId, node: &Node) {
        self.columns.iter_mut().for_each(|column| column.set(id, node));
    }
}
