use std::collections::HashMap;

use super::id::{DomainId, LabelId, NodeId};
use super::node::Node;

/// One label over all nodes: which value each has.
#[derive(Debug)]
pub(crate) struct Column<'a> {
    pub(crate) label: &'a str,
    domains: Vec<Option<DomainId>>,
    values: Vec<&'a str>,
    by_value: HashMap<&'a str, DomainId>,
}

impl<'a> Column<'a> {
    fn new(label: &'a str, nodes: &[Node<'a>]) -> Self {
        let mut column =
            Self { label, domains: Vec::with_capacity(nodes.len()), values: vec![], by_value: HashMap::new() };
        for node in nodes {
            let domain = node.host.labels.get(label).map(|value| column.intern(value));
            column.domains.push(domain);
        }
        column
    }

    fn intern(&mut self, value: &'a str) -> DomainId {
        *self.by_value.entry(value).or_insert_with(|| {
            self.values.push(value);
            DomainId::new(self.values.len() - 1)
        })
    }

    /// The value that `node` has.
    pub(crate) fn domain(&self, node: NodeId) -> Option<DomainId> {
        self.domains[node.at()]
    }

    /// The value that `node` has, as text.
    pub(crate) fn value(&self, node: NodeId) -> Option<&'a str> {
        self.domain(node).map(|domain| self.values[domain.at()])
    }

    /// The nodes that have `value`, if any has.
    pub(crate) fn find(&self, value: &str) -> Option<DomainId> {
        self.by_value.get(value).copied()
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &'a str> {
        self.values.iter().copied()
    }

    /// Whether every node has a value of its own, as with the label `node`.
    pub(crate) fn is_unique(&self) -> bool {
        self.values.len() == self.domains.len()
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
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    columns: Vec<Column<'a>>,
    by_label: HashMap<&'a str, LabelId>,
}

impl<'a> Columns<'a> {
    /// The column of `label`, made when it is first asked for.
    pub(crate) fn intern(&mut self, label: &'a str, nodes: &[Node<'a>]) -> LabelId {
        *self.by_label.entry(label).or_insert_with(|| {
            self.columns.push(Column::new(label, nodes));
            LabelId::new(self.columns.len() - 1)
        })
    }

    pub(crate) fn get(&self, label: LabelId) -> &Column<'a> {
        &self.columns[label.at()]
    }
}
