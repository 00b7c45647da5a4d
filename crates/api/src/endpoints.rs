use std::collections::{BTreeMap, BTreeSet};

use icefield_plan::Endpoint;
use icefield_spec::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Endpoints;

/// Where one service can be reached, as a watch of it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceEndpoints {
    /// Rises with every change of the list; a watch waits for one beyond a given index. 0 if this server does not know yet.
    pub index: u64,
    /// The list.
    #[serde(flatten)]
    pub endpoints: Endpoints,
}

/// Where all services can be reached, or what of that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointChanges {
    /// See [`crate::SCHEMA`].
    pub schema: u32,
    /// The cluster's name; absent before the first apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Name>,
    /// How far these changes go.
    pub mark: EndpointMark,
    /// Whether this is all there is, and what it does not name is not there; else it is what has changed.
    pub whole: bool,
    /// The endpoints, by service.
    pub services: BTreeMap<Name, Vec<Endpoint>>,
    /// Services that are gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gone: BTreeSet<Name>,
}

/// Up to where someone knows the changes of endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointMark {
    /// Whose count it is: each leader counts for itself.
    pub epoch: u64,
    /// Rises with every change.
    pub index: u64,
}
