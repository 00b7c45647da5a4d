use super::Check;
use crate::Condition;

impl Check<'_> {
    /// Whether any label could be as `condition` wants it.
    pub(super) fn condition(&mut self, path: &str, label: &str, condition: &Condition) {
        let at = format!("{path}.require.{label}");
        let Condition { any_of, none_of, exists, at_least, at_most } = condition;
        if any_of.as_ref().is_some_and(Vec::is_empty) {
            let message = format!("{label:?} may have no value at all, so no node can match");
            self.report(format!("{path}.require"), message);
        } else if *condition == Condition::default() {
            self.report(&at, "the condition asks for nothing").help = Some("leave it out, or say a value".into());
        } else if *exists == Some(false) && (any_of.is_some() || at_least.is_some() || at_most.is_some()) {
            self.report(&at, "a label cannot be absent and have a value");
        } else if let (Some(least), Some(most)) = (at_least, at_most)
            && least > most
        {
            let message = format!("no number is at least {least} and at most {most}");
            self.report(&at, message).help = Some(format!("did you mean from {most} to {least}?"));
        } else if let Some(values) = any_of
            && !values.iter().any(|value| condition.admits(Some(value)))
        {
            let except = if none_of.is_empty() { "" } else { " and not_in" };
            let number = if at_least.is_some() || at_most.is_some() { " and the numbers" } else { "" };
            self.report(&at, format!("no value keeps in{except}{number} together, so no node can match"));
        }
    }
}
