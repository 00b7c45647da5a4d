use std::collections::BTreeMap;

use super::{Driver, Launch, NotStarted, built_closure};
use crate::shim::ProgramOrder;

/// Services of NixOS modules. Their units say what is executed, so this says only in which environment: that of what is run
/// beside them, as health checks are.
pub(crate) struct Nixos {
    base_env: BTreeMap<String, String>,
    physical: Box<dyn Fn(&str) -> String + Send + Sync>,
}

impl Nixos {
    pub(crate) fn new(
        base_env: BTreeMap<String, String>,
        physical: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { base_env, physical: Box::new(physical) }
    }
}

impl Driver for Nixos {
    fn kind(&self) -> &'static str {
        "nixos"
    }

    fn order(&self, launch: &Launch<'_>) -> Result<ProgramOrder, NotStarted> {
        let closure = built_closure(launch.unit, launch.system)?;
        let mut environment = self.base_env.clone();
        environment.extend(launch.variables.clone());
        let program = (self.physical)(closure.as_str()).into();
        Ok(ProgramOrder { program, arguments: Vec::new(), environment, folder: launch.work.to_owned() })
    }
}
