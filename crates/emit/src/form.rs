use icefield_plan::NodePlan;

use crate::{EmitError, File};

/// What a target's module does.
pub(crate) trait Form {
    /// The files that belong to no single node.
    fn shared(&self) -> Result<Vec<File>, EmitError>;
    /// The files of one node.
    fn node(&self, plan: &NodePlan) -> Result<Vec<File>, EmitError>;
}
