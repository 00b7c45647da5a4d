use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use icefield_spec::Name;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One instance of a service: `web/3`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId {
    /// The service.
    pub service: Name,
    /// Which of its replicas; from 0 up.
    pub index: u32,
}

impl ReplicaId {
    /// Replica `index` of `service`.
    pub const fn new(service: Name, index: u32) -> Self {
        Self { service, index }
    }
}

/// Why a text is not a [`ReplicaId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidReplica(String);

impl fmt::Display for InvalidReplica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a replica; write it like web/3", self.0)
    }
}

impl std::error::Error for InvalidReplica {}

impl FromStr for ReplicaId {
    type Err = InvalidReplica;

    fn from_str(text: &str) -> Result<Self, InvalidReplica> {
        let parsed = text
            .split_once('/')
            .and_then(|(service, index)| Some(Self { service: Name::new(service).ok()?, index: index.parse().ok()? }));
        parsed.ok_or_else(|| InvalidReplica(text.chars().take(80).collect()))
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.index)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ReplicaId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReplicaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ReplicaId {
    fn schema_name() -> Cow<'static, str> {
        "ReplicaId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9-]+/[0-9]+$",
            "description": "A replica: the service's name and the index, as in \"web/3\".",
        })
    }
}
