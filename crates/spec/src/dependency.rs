use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{InvalidName, Name};

/// What a service or a job waits for before it starts. Written as the service's name, or as `job:` and the job's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// A service: its rollout to the declared revision is done.
    Service(Name),
    /// A job: its declared revision has succeeded.
    Job(Name),
}

impl Dependency {
    const JOB: &'static str = "job:";

    /// The name, of whichever kind it is.
    pub const fn name(&self) -> &Name {
        match self {
            Self::Service(name) | Self::Job(name) => name,
        }
    }

    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Job(_) => "job",
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => f.pad(name.as_str()),
            Self::Job(name) => f.pad(&format!("{}{name}", Self::JOB)),
        }
    }
}

impl FromStr for Dependency {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.strip_prefix(Self::JOB) {
            Some(name) => Name::new(name).map(Self::Job),
            None => Name::new(text).map(Self::Service),
        }
    }
}

impl Serialize for Dependency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Dependency {
    fn schema_name() -> Cow<'static, str> {
        "Dependency".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "What is waited for: a service's name, or \"job:\" and a job's name.",
            "pattern": "^(job:)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_is_read() {
        for text in ["db", "job:migrate"] {
            let dependency: Dependency = text.parse().unwrap();
            assert_eq!(dependency.to_string(), text);
            let json = serde_json::to_string(&dependency).unwrap();
            assert_eq!(serde_json::from_str::<Dependency>(&json).unwrap(), dependency);
        }
        for bad in ["", "job:", "job:job:a", "task:a", "Web"] {
            assert!(bad.parse::<Dependency>().is_err(), "{bad:?}");
        }
    }
}
