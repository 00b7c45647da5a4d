use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Bytes, InvalidQuantity};

/// So much of a resource that nodes declare besides CPU and memory: a number (`4`), or bytes (`"1TiB"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

    /// Whether both are numbers or both are bytes.
    pub const fn is_like(self, other: Self) -> bool {
        matches!((self, other), (Self::Count(_), Self::Count(_)) | (Self::Bytes(_), Self::Bytes(_)))
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

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or bytes like \"10GiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                let read = text.parse().map(Amount::Bytes);
                read.map_err(|error: InvalidQuantity| E::custom(error.called("an amount of a resource")))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
                Ok(Amount::Count(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
                u64::try_from(number)
                    .map(Amount::Count)
                    .map_err(|_| E::custom(format!("{number} is not an amount of a resource: it is negative")))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl schemars::JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let bytes = generator.subschema_for::<Bytes>();
        schemars::json_schema!({
            "description": "So much of a resource: a number of things, or bytes (\"10GiB\").",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": Self::MAX }, bytes],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Amount, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn is_a_number_or_bytes() {
        assert_eq!(read("4"), Ok(Amount::Count(4)));
        assert_eq!(read("\"4KiB\""), Ok(Amount::Bytes(Bytes::new(4096))));
        for amount in [Amount::Count(0), Amount::Count(7), Amount::Bytes(Bytes::new(0)), Amount::Bytes(Bytes::MAX)] {
            assert_eq!(read(&serde_json::to_string(&amount).unwrap()), Ok(amount));
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_a_reason() {
        let reason = |text: &str| read(text).unwrap_err();
        assert!(reason("-1").contains("-1 is not an amount of a resource: it is negative"), "{}", reason("-1"));
        assert!(reason("1.5").contains("expected a whole number, or bytes"), "{}", reason("1.5"));
        assert!(reason("\"4 cards\"").contains("unknown unit \"cards\""), "{}", reason("\"4 cards\""));
        assert!(reason("null").contains("expected a whole number"), "{}", reason("null"));
    }
}
