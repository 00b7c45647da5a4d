use std::fs;
use std::path::Path;

use icefield_api::PlanReport;
use icefield_spec::Spec;
use serde::{Deserialize, Serialize};

use crate::command_error::CommandError;

/// A plan in a file: it can be looked at, handed on, and applied as long as it is still what would happen.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedPlan {
    /// The version of this form. No other file has a field of this name.
    icefield_plan: u32,
    /// The spec that was planned.
    pub(crate) spec: Spec,
    /// What it would change, and what that was made from.
    pub(crate) report: PlanReport,
}

/// The version of the form.
const FORM: u32 = 1;

impl SavedPlan {
    pub(crate) fn new(spec: Spec, report: PlanReport) -> Self {
        Self { icefield_plan: FORM, spec, report }
    }

    /// Writes it to a file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), CommandError> {
        let failed = |error: &dyn std::error::Error| {
            CommandError::because(format!("the plan cannot be written to {}", path.display()), error)
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(path, text + "\n").map_err(|error| failed(&error))
    }

    /// Reads it from a file; `None` if the file is something else.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, CommandError> {
        /// The largest plan: as large as a spec may be, and what it changes.
        const MOST: u64 = 512 << 20;
        // What is no file of a size to be a plan is told of by whoever reads sources.
        let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MOST);
        if !is_file {
            return Ok(None);
        }
        let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
        if !text.trim_start().starts_with('{') || !text.contains("\"icefield_plan\"") {
            return Ok(None);
        }
        let plan: Self = serde_json::from_str(&text).map_err(|error| {
            CommandError::because(format!("{} is not a plan that can be read", path.display()), &error)
                .hint("`icefield plan FILE --out PLAN` writes one")
        })?;
        if plan.icefield_plan != FORM {
            let form = plan.icefield_plan;
            return Err(CommandError::new(format!(
                "{} is a plan of form {form}, written by another icefield",
                path.display()
            ))
            .hint("plan again with this one"));
        }
        Ok(Some(plan))
    }
}

#[cfg(test)]
mod tests {
    use icefield_api::SCHEMA;

    use super::*;

    fn plan() -> SavedPlan {
        let spec = Spec::from_json(r#"{"schema": 1, "cluster": "shop"}"#).unwrap();
        let report = PlanReport {
            schema: SCHEMA,
            changes: vec![],
            placement: Default::default(),
            unplaced: vec![],
            basis: None,
        };
        SavedPlan::new(spec, report)
    }

    #[test]
    fn is_read_as_it_was_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("plan");
        plan().write(&path).unwrap();
        assert_eq!(SavedPlan::read(&path).unwrap().unwrap().spec, plan().spec);
    }

    #[test]
    fn another_file_is_none_and_a_broken_plan_is_told() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        assert!(SavedPlan::read(&path).unwrap().is_none());
        assert!(SavedPlan::read(home.path()).unwrap().is_none());
        for text in ["cluster(\"c\")", "{\"schema\": 1}"] {
            fs::write(&path, text).unwrap();
            assert!(SavedPlan::read(&path).unwrap().is_none(), "{text}");
        }
        fs::write(&path, "{\"icefield_plan\": 1}").unwrap();
        assert!(SavedPlan::read(&path).unwrap_err().text().contains("missing field"));
        plan().write(&path).unwrap();
        let newer = fs::read_to_string(&path).unwrap().replace("\"icefield_plan\": 1", "\"icefield_plan\": 2");
        fs::write(&path, newer).unwrap();
        assert!(SavedPlan::read(&path).unwrap_err().text().contains("form 2"));
    }
}
