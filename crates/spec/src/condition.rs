use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a label of a node must be. Where several parts are given, all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// The node has the label, with one of these values.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub any_of: Option<Vec<String>>,
    /// The node does not have the label with one of these values.
    #[serde(rename = "not_in", skip_serializing_if = "Vec::is_empty")]
    pub none_of: Vec<String>,
    /// The node has the label (`true`), or does not have it (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The node has the label, and its value is a whole number of at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// The node has the label, and its value is a whole number of at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
}

impl Condition {
    /// That the label has one of `values`.
    pub fn one_of(values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { any_of: Some(values.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    /// Whether a node has what it should; `value` is that of its label, if it has that.
    pub fn admits(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            let wanted = self.any_of.is_some() || self.exists == Some(true);
            return !wanted && self.at_least.is_none() && self.at_most.is_none();
        };
        let is = |listed: &String| listed == value;
        self.exists != Some(false)
            && self.any_of.as_ref().is_none_or(|values| values.iter().any(is))
            && !self.none_of.iter().any(is)
            && self.is_within(value)
    }

    fn is_within(&self, value: &str) -> bool {
        if self.at_least.is_none() && self.at_most.is_none() {
            return true;
        }
        let within = |number: i64| {
            self.at_least.is_none_or(|least| number >= least) && self.at_most.is_none_or(|most| number <= most)
        };
        value.parse().is_ok_and(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_must_hold() {
        let values =
            |condition: &Condition| [None, Some("7"), Some("9"), Some("ssd")].map(|value| condition.admits(value));
        let all = Condition::default();
        assert_eq!(values(&all), [true; 4]);
        assert_eq!(values(&Condition::one_of(["7", "ssd"])), [false, true, false, true]);
        assert_eq!(values(&Condition { none_of: vec!["7".into()], ..all.clone() }), [true, false, true, true]);
        assert_eq!(values(&Condition { exists: Some(true), ..all.clone() }), [false, true, true, true]);
        assert_eq!(values(&Condition { exists: Some(false), ..all.clone() }), [true, false, false, false]);
        assert_eq!(values(&Condition { at_least: Some(8), ..all.clone() }), [false, false, true, false]);
        assert_eq!(values(&Condition { at_most: Some(8), ..all.clone() }), [false, true, false, false]);
        let both = Condition { at_least: Some(7), none_of: vec!["9".into()], ..all };
        assert_eq!(values(&both), [false, true, false, false]);
    }
}
