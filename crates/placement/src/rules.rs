//! The rules, one a file: what each checks or gives, and how it speaks of it.
//!
//! A rule is made ready for a group of alike replicas once, and then asked about nodes. Hard rules admit a node or not;
//! soft ones give it points.

mod acceptance;
mod balance;
mod capacity;
mod driver;
mod dynamic_ports;
mod evenness;
mod fixed_port;
mod keep_from;
mod keep_with;
mod layout;
mod max_skew;
mod min_domains;
mod one_per_node;
mod prefer;
mod quota;
mod require;
mod reserve;
mod service;
mod spread_max;
mod taint;
mod tie;

use crate::engine::{Group, LabelId, NodeId, Side, State, World};
pub(crate) use evenness::step_of;
pub(crate) use layout::Fill;
pub(crate) use service::ServiceRules;
pub(crate) use tie::Tie;

/// One point, as the engine counts: in whole numbers, so that sums do not depend on their order.
pub(crate) const POINT: i64 = 1_000_000_000;

/// A rule that must hold.
pub(crate) trait Hard: Send + Sync {
    /// What it is called: `"require disk=ssd"`.
    fn name(&self, world: &World) -> String;

    /// Whether one more replica of the group may be on `node`.
    fn admits(&self, state: &State, node: NodeId) -> bool;

    /// Leaves of `nodes`, which all take replicas, those that it admits.
    fn strike(&self, state: &State, nodes: &mut Vec<NodeId>) {
        nodes.retain(|node| self.admits(state, *node));
    }

    /// For whom it holds.
    fn binds(&self) -> Binds {
        Binds::Standing
    }

    /// Whether a node that it refuses may be admitted once the group has got further replicas elsewhere.
    fn may_return(&self) -> bool {
        false
    }

    /// A number that changes when nodes that it refused may be admitted, if it [may return](Self::may_return).
    fn phase(&self, _state: &State) -> u64 {
        0
    }

    /// Whether replicas of other services may be what is in the way.
    fn yields(&self) -> bool {
        false
    }

    /// Whether what is on other nodes counts too.
    fn spans_nodes(&self) -> bool {
        false
    }

    /// Whether that some replicas of the service are nowhere makes a difference.
    fn counts_the_missing(&self) -> bool {
        false
    }

    /// Whether nothing but what the node is declared to be makes a difference.
    fn is_static(&self) -> bool {
        false
    }

    /// Has what it needs kept at hand while its group is placed.
    fn prepare(&self, _state: &mut State) {}

    /// The label that it is about, if any.
    fn label(&self) -> Option<LabelId> {
        None
    }

    /// Why a replica that was on `node` cannot stay.
    fn departure(&self, state: &State, node: NodeId) -> String;

    /// How far `node` is from being admitted, in a measure of the rule's own.
    fn distance(&self, _state: &State, _node: NodeId) -> u64 {
        0
    }

    /// The smallest change after which the rule admits the node. Where a broken rule before it is about the same label,
    /// that one's remedy must do for both.
    fn remedy(&self, case: &Case<'_>) -> Remedy;

    /// Whether the remedies of other rules for `node` may matter to whether this one admits it; `relabelled` if one of
    /// them is about its label. Then [`Self::besides`] holds instead of [`Self::remedy`].
    fn reconsiders(&self, _state: &State, _node: NodeId, _relabelled: bool) -> bool {
        false
    }

    /// What must change besides the remedies of other rules, if anything.
    fn besides(&self, case: &Case<'_>, _relabelled: bool) -> Option<Remedy> {
        Some(self.remedy(case))
    }

    /// Whether the rule would admit a further node like `node` on which nothing runs yet.
    fn twin(&self, state: &State, node: NodeId) -> Twin {
        if self.admits(state, node) { Twin::Admitted } else { Twin::Refused }
    }
}

/// For whom a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binds {
    /// For replicas that come to a node.
    Arriving,
    /// For those that are there too, once everything else has found its place.
    Settled,
    /// For those that are there too.
    Standing,
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
pub(crate) struct Case<'s> {
    pub(crate) state: &'s State,
    pub(crate) group: &'s Group,
    pub(crate) node: NodeId,
    /// Whether no other rule excludes the node.
    pub(crate) alone: bool,
}

impl Case<'_> {
    fn node_name(&self) -> &str {
        self.state.world.name(self.node).as_str()
    }
}

impl Remedy {
    fn new(text: impl Into<String>, further: Further) -> Self {
        Self { text: text.into(), further }
    }
}

/// The points of a label's domains.
pub(crate) struct ByDomain {
    pub(crate) label: LabelId,
    /// By domain.
    pub(crate) inside: Vec<i64>,
    /// Of nodes without the label.
    pub(crate) outside: i64,
}

/// A rule that gives points.
pub(crate) trait Soft: Send + Sync {
    /// What it is called: `"prefer zone=a"`.
    fn name(&self, world: &World) -> String;

    /// What it gives `node`, in billionths of a point: how much better the whole placement is by the rule once a replica
    /// is there. While replicas are only added, this must not rise on nodes that none is added to.
    fn points(&self, state: &State, node: NodeId) -> i64;

    /// Adds its points to those of `nodes`.
    fn add(&self, state: &State, nodes: &[NodeId], points: &mut [i64]) {
        for (node, points) in nodes.iter().zip(points) {
            *points = points.saturating_add(self.points(state, *node));
        }
    }

    /// What it gives to each domain of a label and to nodes without it, if that is all it goes by and the domains are few.
    fn by_domain(&self, _state: &State) -> Option<ByDomain> {
        None
    }

    /// What it gives no node more than, if that is quickly told.
    fn most(&self, state: &State) -> Option<i64>;

    /// Whether it depends on nothing but the node and the replica's size.
    fn is_by_size(&self) -> bool {
        false
    }

    /// The fact behind the points.
    fn fact(&self, state: &State, node: NodeId) -> String;

    /// The label whose values share their points: if one node takes a replica, all with its value change. `None` if
    /// a node's points depend on nothing but the node.
    fn shared(&self, _world: &World) -> Option<LabelId> {
        None
    }
}

/// Makes the rules of `group` ready. The order is that of reasons: from what is so whatever else runs, to what depends
/// on other services, to what depends on the service itself.
pub(crate) fn compile(state: &mut State, group: &mut Group, service: &ServiceRules) {
    let demand = std::sync::Arc::clone(&group.demand);
    let rules = &demand.rules;
    let (side, spreads) = (Side::of(&demand, service.is_accompanied), service.spreads(&demand));
    let mut hard: Vec<Box<dyn Hard>> = Vec::new();
    hard.extend(acceptance::compile().map(boxed));
    hard.push(boxed(taint::Taint::new(&rules.tolerate)));
    hard.extend(demand.driver.as_deref().map(driver::Driver::new).map(boxed));
    for (label, condition) in &rules.require {
        let id = state.world.columns.intern(label, &state.world.nodes);
        let limit = spreads.limits.iter().find(|limit| limit.is_about(id)).cloned();
        hard.push(boxed(require::Require::new(label, condition, id, state.world.column(id), limit)));
    }
    hard.extend(quota::compile(group, &state.world).into_iter().map(boxed));
    hard.extend(capacity::compile(group, &state.world).map(boxed));
    hard.extend(fixed_port::compile(&group.fixed).map(boxed));
    if group.dynamic > 0 {
        hard.push(boxed(dynamic_ports::DynamicPorts::new(group.dynamic, &group.fixed)));
    }
    hard.extend(service.near.iter().cloned().map(boxed));
    hard.extend(service.apart.iter().cloned().map(boxed));
    if service.one_per_node {
        hard.push(boxed(one_per_node::OnePerNode::new(group.service)));
    }
    hard.extend(spreads.limits.iter().cloned().map(boxed));
    hard.extend(spreads.skews.iter().cloned().map(boxed));
    hard.extend(spreads.domains.iter().cloned().map(boxed));
    group.hard = hard;

    let mut soft: Vec<Box<dyn Soft>> = Vec::new();
    for (position, rule) in rules.spread.iter().enumerate() {
        let label = state.world.columns.intern(&rule.label, &state.world.nodes);
        let step = step_of(rule, position);
        if step > 0 {
            let slot = state.count_by(group.service, side, label);
            soft.push(Box::new(evenness::Evenness::new(group.service, side, label, slot, step)));
        }
    }
    for rule in &rules.prefer {
        let label = state.world.columns.intern(&rule.label, &state.world.nodes);
        soft.push(Box::new(prefer::Prefer::new(rule, label)));
    }
    soft.extend(reserve::compile(group, &state.world).into_iter().map(|rule| Box::new(rule) as Box<dyn Soft>));
    soft.extend(balance::compile(group, &state.world).into_iter().map(|rule| Box::new(rule) as Box<dyn Soft>));
    soft.extend(layout::Fill::new(group).map(|rule| Box::new(rule) as Box<dyn Soft>));
    group.soft = soft;
}

fn boxed(rule: impl Hard + 'static) -> Box<dyn Hard> {
    Box::new(rule)
}
