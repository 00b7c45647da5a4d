use icefield_spec::{Condition, IMPLIED_LABELS};

use super::spread_max::SpreadMax;
use super::{Case, Further, Hard, Remedy, Twin};
use crate::engine::{Column, LabelId, NodeId, State, World};

/// Hard: the node's label is as it should be.
pub(super) struct Require {
    label: String,
    condition: Condition,
    id: LabelId,
    /// By domain.
    allowed: Vec<bool>,
    /// What also holds for the label's domains: a remedy must not put the node into a full one.
    limit: Option<SpreadMax>,
}

impl Require {
    pub(super) fn new(
        label: &str,
        condition: &Condition,
        id: LabelId,
        column: &Column,
        limit: Option<SpreadMax>,
    ) -> Self {
        let allowed = column.values().map(|value| condition.admits(Some(value))).collect();
        Self { label: label.to_owned(), condition: condition.clone(), id, allowed, limit }
    }

    /// The values that it asks for, if it names any.
    fn values(&self) -> &[String] {
        self.condition.any_of.as_deref().unwrap_or_default()
    }

    /// Whether it asks for one of some values, and for nothing else.
    fn is_plain(&self) -> bool {
        self.condition == Condition { any_of: self.condition.any_of.clone(), ..Condition::default() }
    }

    fn is_implied(&self) -> bool {
        IMPLIED_LABELS.contains(&self.label.as_str())
    }

    fn dropped(&self) -> String {
        let label = &self.label;
        match self.limit {
            Some(_) => format!("drop require {label} and the max of spread {label}"),
            None => format!("drop require {label}"),
        }
    }

    /// The remedy where the rule is more than a choice of values.
    fn other_remedy(&self, case: &Case<'_>) -> String {
        let (label, node) = (&self.label, case.node_name());
        let own = case.state.world.column(self.id).value(case.node);
        let number: Option<i64> = own.and_then(|own| own.parse().ok());
        let limited = own.is_some_and(|own| self.raise_for(case, own).is_some());
        let condition = &self.condition;
        let would_do = |changed: Condition| !limited && changed.admits(own);
        match (number, condition.at_least, condition.at_most) {
            (Some(_), Some(_), _) if would_do(Condition { at_least: number, ..condition.clone() }) => {
                format!("lower the least {label} to {}", own.unwrap_or_default())
            }
            (Some(_), _, Some(_)) if would_do(Condition { at_most: number, ..condition.clone() }) => {
                format!("raise the most {label} to {}", own.unwrap_or_default())
            }
            _ if condition.admits(None) && own.is_some() && !self.is_implied() && self.limit.is_none() => {
                format!("take the label {label} off {node}")
            }
            _ => self.dropped(),
        }
    }

    /// To what a limit on the label's domains must be raised for `node` to take one more, were `value` its value.
    fn raise_for(&self, case: &Case<'_>, value: &str) -> Option<u32> {
        let domain = case.state.world.column(self.id).find(value);
        self.limit.as_ref()?.needed(case.state, case.node, domain)
    }

    /// `"disk=ssd"`, `"disk=ssd or nvme"`, `"generation of at least 3"`.
    fn wanted(&self) -> String {
        let (label, condition) = (&self.label, &self.condition);
        let mut parts = Vec::new();
        match condition.any_of.as_deref() {
            Some([]) => parts.push(format!("{label}=nothing")),
            Some(values) => parts.push(format!("{label}={}", values.join(" or "))),
            None => {}
        }
        if !condition.none_of.is_empty() {
            parts.push(format!("{label} not {}", condition.none_of.join(" or ")));
        }
        match condition.exists {
            Some(true) => parts.push(format!("a {label}")),
            Some(false) => parts.push(format!("no {label}")),
            None => {}
        }
        match (condition.at_least, condition.at_most) {
            (Some(least), Some(most)) => parts.push(format!("{label} of {least} to {most}")),
            (Some(least), None) => parts.push(format!("{label} of at least {least}")),
            (None, Some(most)) => parts.push(format!("{label} of at most {most}")),
            (None, None) => {}
        }
        if parts.is_empty() { format!("any {label}") } else { parts.join(" and ") }
    }
}

impl Hard for Require {
    fn name(&self, _world: &World) -> String {
        format!("require {}", self.wanted())
    }

    fn admits(&self, state: &State, node: NodeId) -> bool {
        let column = state.world.column(self.id);
        match column.domain(node) {
            None => self.condition.admits(None),
            Some(domain) => match self.allowed.get(domain.at()) {
                Some(allowed) => *allowed,
                // A value that has come up since.
                None => self.condition.admits(Some(column.text(domain))),
            },
        }
    }

    fn label(&self) -> Option<LabelId> {
        Some(self.id)
    }

    fn is_static(&self) -> bool {
        true
    }

    fn departure(&self, state: &State, node: NodeId) -> String {
        format!("{} no longer has {}", state.world.name(node), self.wanted())
    }

    /// A node without the label is nearest; one that has another value may have it for a reason.
    fn distance(&self, state: &State, node: NodeId) -> u64 {
        match (state.world.column(self.id).domain(node), self.is_implied()) {
            (None, false) => 0,
            (Some(_), _) => 1,
            (None, true) => 2,
        }
    }

    fn remedy(&self, case: &Case<'_>) -> Remedy {
        let (label, node) = (&self.label, case.node_name());
        if !self.is_plain() {
            return Remedy::new(self.other_remedy(case), Further::Excessive);
        }
        let raise = |to: Option<u32>| match to {
            Some(max) => format!(" and raise max of spread {label} to {max}"),
            None => String::new(),
        };
        // Those without need of a raise come first: `None` is less than any number.
        let values = self.values().iter();
        let best = values.map(|value| (self.raise_for(case, value), value)).min_by_key(|(to, _)| *to);
        let own = case.state.world.column(self.id).value(case.node);
        let text = match (best, own) {
            (Some((None, value)), _) if !self.is_implied() => format!("give {node} the label {label}={value}"),
            (_, Some(own)) => format!("allow {label}={own}{}", raise(self.raise_for(case, own))),
            (Some((to, value)), None) if !self.is_implied() => {
                format!("give {node} the label {label}={value}{}", raise(to))
            }
            _ => self.dropped(),
        };
        Remedy::new(text, Further::Excessive)
    }

    fn twin(&self, state: &State, node: NodeId) -> Twin {
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
