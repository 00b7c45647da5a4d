use icefield_spec::{Condition, IMPLIED_LABELS};

use super::spread_max::SpreadMax;
use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{Column, LabelId, NodeId, State, World};

/// Hard: the node's label has one of some values.
pub(super) struct Require<'a> {
    label: &'a str,
    condition: &'a Condition,
    values: &'a [String],
    id: LabelId,
    /// By domain.
    allowed: Vec<bool>,
    /// What also holds for the label's domains: a remedy must not put the node into a full one.
    limit: Option<SpreadMax>,
}

impl<'a> Require<'a> {
    pub(super) fn new(
        label: &'a str,
        condition: &'a Condition,
        id: LabelId,
        column: &Column<'_>,
        limit: Option<SpreadMax>,
    ) -> Self {
        let allowed = column.values().map(|value| condition.admits(Some(value))).collect();
        let values = condition.any_of.as_deref().unwrap_or_default();
        Self { label, condition, values, id, allowed, limit }
    }

    fn is_implied(&self) -> bool {
        IMPLIED_LABELS.contains(&self.label)
    }

    /// To what a limit on the label's domains must be raised for `node` to take one more, were `value` its value.
    fn raise_for(&self, case: &Case<'_, '_>, value: &str) -> Option<u32> {
        let domain = case.state.world.column(self.id).find(value);
        self.limit.as_ref()?.needed(case.state, case.node, domain)
    }

    /// "`disk=ssd`", "`disk=ssd or nvme`".
    fn wanted(&self) -> String {
        match self.values {
            [] => format!("{}=nothing", self.label),
            values => format!("{}={}", self.label, values.join(" or ")),
        }
    }
}

impl Hard for Require<'_> {
    fn name(&self, _world: &World<'_>) -> String {
        format!("require {}", self.wanted())
    }

    fn admits(&self, state: &State<'_>, node: NodeId) -> bool {
        let domain = state.world.column(self.id).domain(node);
        domain.map_or_else(|| self.condition.admits(None), |domain| self.allowed[domain.at()])
    }

    fn label(&self) -> Option<LabelId> {
        Some(self.id)
    }

    fn departure(&self, state: &State<'_>, node: NodeId) -> String {
        format!("{} no longer has {}", state.world.name(node), self.wanted())
    }

    /// A node without the label is nearest; one that has another value may have it for a reason.
    fn distance(&self, state: &State<'_>, node: NodeId) -> u64 {
        match (state.world.column(self.id).domain(node), self.is_implied()) {
            (None, false) => 0,
            (Some(_), _) => 1,
            (None, true) => 2,
        }
    }

    fn remedy(&self, case: &Case<'_, '_>) -> Remedy {
        let (label, node) = (self.label, case.node_name());
        let raise = |to: Option<u32>| match to {
            Some(max) => format!(" and raise max of spread {label} to {max}"),
            None => String::new(),
        };
        // Those without need of a raise come first: `None` is less than any number.
        let best = self.values.iter().map(|value| (self.raise_for(case, value), value)).min_by_key(|(to, _)| *to);
        let own = case.state.world.column(self.id).value(case.node);
        let text = match (best, own) {
            (Some((None, value)), _) if !self.is_implied() => format!("give {node} the label {label}={value}"),
            (_, Some(own)) => format!("allow {label}={own}{}", raise(self.raise_for(case, own))),
            (Some((to, value)), None) if !self.is_implied() => {
                format!("give {node} the label {label}={value}{}", raise(to))
            }
            _ if self.limit.is_some() => format!("drop require {label} and the max of spread {label}"),
            _ => format!("drop require {label}"),
        };
        Remedy::new(text, Further::Excessive)
    }

    fn twin(&self, state: &State<'_>, node: NodeId) -> Twin {
        // A further node has another name.
        if self.admits(state, node) && self.label != "node" { Twin::Admitted } else { Twin::Refused }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::Condition;
    use insta::assert_snapshot;

    use crate::examples::{solved, spread, three, with};

    #[test]
    fn labels_that_no_node_or_too_few_have() {
        let mut fleet = three();
        let require = |label: &str, values: &[&str]| {
            with(|demand| {
                demand.rules.require.insert(label.into(), Condition::one_of(values.iter().copied()));
            })
        };
        fleet.add_service("a", [require("disk", &["nvme", "tape"])]);
        fleet.add_service("b", [require("node", &["n9"])]);
        fleet.add_service("c", [require("pool", &["workers"])]);
        assert_snapshot!(solved(&fleet), @"
        a/0 nowhere:
          require disk=nvme or tape excludes 3 (n1 n2 n3): give n3 the label disk=nvme
        b/0 nowhere:
          require node=n9 excludes 3 (n1 n2 n3): allow node=n1
        c/0 nowhere:
          require pool=workers excludes 3 (n1 n2 n3): drop require pool
        ");
    }

    #[test]
    fn a_remedy_puts_no_node_into_a_full_domain() {
        let mut fleet = three();
        let mut web = with(|web| drop(web.rules.require.insert("zone".into(), Condition::one_of(["b", "c"]))));
        web.indexes = vec![0, 1, 2];
        web.rules.spread = vec![spread("zone", Some(1))];
        fleet.add_service("web", [web.clone()]);
        web.rules.require.insert("zone".into(), Condition::one_of(["b"]));
        fleet.add_service("worse", [web]);
        assert_snapshot!(solved(&fleet), @"
        web/0 → n3: new replica
        worse/0 → n3: new replica
        web/1 nowhere:
          require zone=b or c excludes 2 (n1 n2): give n1 the label zone=c
          spread zone max 1 excludes 1 (n3): raise max of spread zone to 2
        web/2 nowhere:
          require zone=b or c excludes 2 (n1 n2): give n1 the label zone=c
          spread zone max 1 excludes 1 (n3): raise max of spread zone to 2
        worse/1 nowhere:
          require zone=b excludes 2 (n1 n2): allow zone=a
          spread zone max 1 excludes 1 (n3): raise max of spread zone to 2
        worse/2 nowhere:
          require zone=b excludes 2 (n1 n2): allow zone=a
          spread zone max 1 excludes 1 (n3): raise max of spread zone to 2
        ");
    }
}
