use std::collections::BTreeMap;

use icefield_api::{SCHEMA, SecretList, SecretStatus};
use icefield_spec::Name;

use crate::State;
use crate::state::{SecretId, Version};

/// The secrets that the plan of `node` names, by the numbers of their versions: what its agent is given, and nothing else.
pub fn secrets_of<'s>(state: &'s State, node: &Name) -> BTreeMap<u64, (&'s SecretId, &'s Version)> {
    let Some(generation) = state.node_plan(node) else { return BTreeMap::new() };
    let units = generation.plan.units.values();
    let numbers = units.flat_map(|planned| planned.unit.secrets.values().copied());
    numbers.filter_map(|number| Some((number, state.secrets.version(number)?))).collect()
}

/// All secrets, without their values.
pub fn secrets(state: &State) -> SecretList {
    let status = |id: &SecretId| {
        let (number, version) = state.secrets.newest(id)?;
        Some(SecretStatus {
            name: id.name.clone(),
            namespace: id.namespace.clone(),
            version: number,
            set: version.set,
            by: version.by.clone(),
            services: state.users_of(id),
        })
    };
    SecretList { schema: SCHEMA, secrets: state.secrets.records.keys().filter_map(status).collect() }
}
