use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bytes;

/// So much of a resource that nodes declare besides CPU and memory: a number (`4`), or bytes (`"1TiB"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// A number of things.
    Count(u64),
    /// Bytes.
    Bytes(Bytes),
}

impl Amount {
    /// The most that can be declared.
    pub const MAX: u64 = Bytes::MAX.get();

    /// How much it is, in things or bytes.
    pub const fn get(self) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Bytes(bytes) => bytes.get(),
        }
    }

    /// `value` of the same kind as this one.
    pub const fn like(self, value: u64) -> Self {
        match self {
            Self::Count(_) => Self::Count(value),
            Self::Bytes(_) => Self::Bytes(Bytes::new(value)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}
