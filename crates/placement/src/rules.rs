//! The rules, one a file: what each checks or gives, and how it speaks of it.
//!
//! A rule is made ready for a group of alike replicas once, and then asked about nodes. Hard rules admit a node or not;
//! soft ones give it points.

mod acceptance;
mod capacity;
mod dynamic_ports;
mod evenness;
mod fixed_port;
mod layout;
mod one_per_node;
mod prefer;
mod require;
mod resource;
mod service;
mod spread_max;

use crate::engine::{Columns, Group, LabelId, Node, NodeId, State, World};
pub(crate) use resource::{Resource, Resources};
pub(crate) use service::ServiceRules;

/// One point, as the engine counts: in whole numbers, so that sums do not depend on their order.
pub(crate) const POINT: i64 = 1_000_000;

/// A rule that must hold.
pub(crate) trait Hard {
    /// What it is called: `"require disk=ssd"`.
    fn name(&self, world: &World<'_>) -> String;

    /// Whether one more replica of the group may be on `node`.
    fn admits(&self, state: &State<'_>, node: NodeId) -> bool;

    /// Whether it also holds for replicas that are on their node already.
    fn binds_standing(&self) -> bool {
        true
    }

    /// The label that it is about, if any.
    fn label(&self) -> Option<LabelId> {
        None
    }

    /// Why a replica that was on `node` cannot stay.
    fn departure(&self, state: &State<'_>, node: NodeId) -> String;

    /// How far `node` is from being admitted, in a measure of the rule's own.
    fn distance(&self, _state: &State<'_>, _node: NodeId) -> u64 {
        0
    }

    /// The smallest change after which the rule admits the node. Where a broken rule before it is about the same label,
    /// that one's remedy must do for both.
    fn remedy(&self, case: &Case<'_, '_>) -> Remedy;

    /// Whether the rule would admit a further node like `node` on which nothing runs yet.
    fn twin(&self, state: &State<'_>, node: NodeId) -> Twin {
        if self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

/// A change that lets a replica onto a node.
pub(crate) struct Remedy {
    pub(crate) text: String,
    pub(crate) further: Further,
}

/// What a further node like the one in question is, compared with a remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Further {
    /// More than is needed.
    Excessive,
    /// As good.
    Equal,
    /// Better.
    Better,
}

/// Whether a further node would be admitted.
pub(crate) enum Twin {
    Admitted,
    /// If it has more of something: `"at least 5 cpu"` without the `"at least"`.
    WithMore(String),
    Refused,
}

/// A node that a rule excludes, and for whom.
pub(crate) struct Case<'s, 'w> {
    pub(crate) state: &'s State<'w>,
    pub(crate) group: &'s Group<'w>,
    pub(crate) node: NodeId,
    /// Whether no other rule excludes the node.
    pub(crate) alone: bool,
}

impl Case<'_, '_> {
    fn node_name(&self) -> &str {
        self.state.world.name(self.node).as_str()
    }
}

impl Remedy {
    fn new(text: impl Into<String>, further: Further) -> Self {
        Self { text: text.into(), further }
    }
}

/// A rule that gives points.
pub(crate) trait Soft {
    /// What it is called: `"prefer zone=a"`.
    fn name(&self, world: &World<'_>) -> String;

    /// What it gives `node`, in millionths of a point. While replicas are only added, this must not rise on nodes that
    /// none is added to.
    fn points(&self, state: &State<'_>, node: NodeId) -> i64;

    /// The fact behind the points.
    fn fact(&self, state: &State<'_>, node: NodeId) -> String;

    /// The label whose values share their points: if one node takes a replica, all with its value change. `None` if
    /// a node's points depend on nothing but the node.
    fn shared(&self) -> Option<LabelId> {
        None
    }
}

/// Makes the rules of `group` ready. The order is that of reasons: from what is so whatever else runs, to what depends
/// on other services, to what depends on the service itself.
pub(crate) fn compile<'a>(
    group: &mut Group<'a>,
    service: &ServiceRules,
    nodes: &[Node<'a>],
    columns: &mut Columns<'a>,
) {
    let rules = &group.demand.rules;
    let mut hard: Vec<Box<dyn Hard + 'a>> = Vec::new();
    hard.extend(acceptance::compile(nodes).map(boxed));
    for (label, values) in &rules.require {
        let id = columns.intern(label, nodes);
        let limit = service.limits.iter().find(|limit| limit.is_about(id)).cloned();
        hard.push(boxed(require::Require::new(label, values, id, columns.get(id), limit)));
    }
    hard.extend(capacity::compile(group.need).map(boxed));
    hard.extend(fixed_port::compile(&group.fixed).map(boxed));
    if group.dynamic > 0 {
        hard.push(boxed(dynamic_ports::DynamicPorts::new(group.dynamic, &group.fixed)));
    }
    if service.one_per_node {
        hard.push(boxed(one_per_node::OnePerNode::new(group.service)));
    }
    hard.extend(service.limits.iter().cloned().map(boxed));
    group.hard = hard;

    let spread = rules.spread.iter().map(|rule| columns.intern(&rule.label, nodes)).enumerate();
    for (position, label) in spread.collect::<Vec<_>>() {
        let Some(slot) = service.labels.iter().position(|known| *known == label) else { continue };
        let shared = !columns.get(label).is_unique();
        group.soft.push(Box::new(evenness::Evenness::new(group.service, label, slot, position, shared)));
    }
    for rule in &rules.prefer {
        let label = columns.intern(&rule.label, nodes);
        group.soft.push(Box::new(prefer::Prefer::new(rule, label, columns.get(label))));
    }
    group.soft.push(Box::new(layout::Fill::new(rules.layout, group.need)));
}

fn boxed<'a>(rule: impl Hard + 'a) -> Box<dyn Hard + 'a> {
    Box::new(rule)
}
