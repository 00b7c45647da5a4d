use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text or number is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not {what}: {reason}")]
pub struct InvalidQuantity {
    given: String,
    what: &'static str,
    reason: String,
}

impl InvalidQuantity {
    /// The same of something that has another name: `"a size"`.
    #[must_use]
    pub fn called(self, what: &'static str) -> Self {
        Self { what, ..self }
    }
}

/// Processor time in thousandths of a core: `"500m"`, `0.5` and `"0.5"` are all half a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cpu(u64);

/// Memory in bytes: `"256MiB"`, `"1.5GiB"`, `"500MB"`, or a plain number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

/// A length of time in milliseconds: `"250ms"`, `"2s"`, `"1.5m"`, `"1h"`, or a plain number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(u64);

struct Suffix {
    text: &'static str,
    factor: u64,
}

const fn suffix(text: &'static str, factor: u64) -> Suffix {
    Suffix { text, factor }
}

/// Splits `text` into number and suffix and multiplies them exactly, in integers.
fn parse(text: &str, what: &'static str, example: &str, suffixes: &[Suffix], max: u64) -> Result<u64, InvalidQuantity> {
    let fail = |reason: String| InvalidQuantity { given: format!("{:?}", clip(text)), what, reason };
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..split], trimmed[split..].trim_start());
    if trimmed.starts_with('-') {
        return Err(fail("it is negative".into()));
    }
    if number.is_empty() {
        return Err(fail(format!("write it like {example}")));
    }
    let factor = suffixes.iter().find(|s| s.text == unit).map(|s| s.factor).ok_or_else(|| {
        let known: Vec<_> = suffixes.iter().map(|s| s.text).filter(|t| !t.is_empty()).collect();
        fail(format!("unknown unit {:?}; known are {}", clip(unit), known.join(", ")))
    })?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() > 20 || fraction.len() > 9 || fraction.contains('.') {
        return Err(fail(format!("write it like {example}")));
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| fail("it is too large".into()))? };
    let scale = 10u128.pow(fraction.len() as u32);
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| fail("not a number".into()))? };
    let scaled = (whole * scale + part) * u128::from(factor);
    let rounded = scaled.div_ceil(scale);
    match u64::try_from(rounded) {
        Ok(value) if value <= max => Ok(value),
        _ => Err(fail("it is too large".into())),
    }
}

fn from_f64(value: f64, what: &'static str, factor: u64, max: u64) -> Result<u64, InvalidQuantity> {
    let fail = |reason: &str| InvalidQuantity { given: value.to_string(), what, reason: reason.into() };
    if !value.is_finite() {
        return Err(fail("it is not a finite number"));
    }
    if value < 0.0 {
        return Err(fail("it is negative"));
    }
    // Rounded first, so that 0.1 cores are 100 thousandths and not 101.
    let scaled = (value * factor as f64 * 1e6).round() / 1e6;
    if scaled > max as f64 {
        return Err(fail("it is too large"));
    }
    Ok(scaled.ceil() as u64)
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The largest unit that divides `value` exactly, for the canonical text.
fn exact(value: u64, units: &[(u64, &str)], plain: &str) -> String {
    for (factor, unit) in units {
        if value != 0 && value.is_multiple_of(*factor) {
            return format!("{}{unit}", value / factor);
        }
    }
    format!("{value}{plain}")
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

impl Cpu {
    /// The most that may be declared: a million cores.
    pub const MAX: Self = Self(1_000_000_000);
    const WHAT: &'static str = "an amount of CPU";
    const SUFFIXES: &'static [Suffix] = &[suffix("", 1000), suffix("m", 1)];

    /// Thousandths of a core.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The amount in thousandths of a core.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// A number of cores, rounded up to the next thousandth.
    pub fn from_cores(cores: f64) -> Result<Self, InvalidQuantity> {
        from_f64(cores, Self::WHAT, 1000, Self::MAX.0).map(Self)
    }
}

impl FromStr for Cpu {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        parse(text, Self::WHAT, "\"500m\", \"0.5\" or 0.5", Self::SUFFIXES, Self::MAX.0).map(Self)
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing is nothing in every unit.
        f.pad(&if self.0 == 0 { "0".to_owned() } else { exact(self.0, &[(1000, "")], "m") })
    }
}

impl Bytes {
    /// The most that may be declared: an exbibyte.
    pub const MAX: Self = Self(1 << 60);
    const WHAT: &'static str = "an amount of memory";
    const SUFFIXES: &'static [Suffix] = &[
        suffix("", 1),
        suffix("B", 1),
        suffix("KiB", KIB),
        suffix("MiB", MIB),
        suffix("GiB", GIB),
        suffix("TiB", TIB),
        suffix("kB", 1_000),
        suffix("KB", 1_000),
        suffix("MB", 1_000_000),
        suffix("GB", 1_000_000_000),
        suffix("TB", 1_000_000_000_000),
        suffix("Ki", KIB),
        suffix("Mi", MIB),
        suffix("Gi", GIB),
        suffix("Ti", TIB),
    ];

    /// A number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The amount in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        parse(text, Self::WHAT, "\"256MiB\" or \"1.5GiB\"", Self::SUFFIXES, Self::MAX.0).map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&exact(self.0, &[(TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")], "B"))
    }
}

impl Millis {
    /// The longest that may be declared: 366 days.
    pub const MAX: Self = Self(366 * 24 * 3_600_000);
    const WHAT: &'static str = "a length of time";
    const SUFFIXES: &'static [Suffix] = &[
        suffix("s", 1_000),
        suffix("ms", 1),
        suffix("m", 60_000),
        suffix("min", 60_000),
        suffix("h", 3_600_000),
        suffix("d", 86_400_000),
    ];

    /// A number of milliseconds.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// The length in milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The length as the standard library has it.
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl FromStr for Millis {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        parse(text, Self::WHAT, "\"2s\", \"500ms\" or \"1m\"", Self::SUFFIXES, Self::MAX.0).map(Self)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&exact(self.0, &[(3_600_000, "h"), (60_000, "m"), (1_000, "s")], "ms"))
    }
}

/// Serde and JSON Schema for a quantity: written as its canonical text, read from a text or a number.
macro_rules! quantity_serde {
    ($type:ident, $number:expr, $pattern:literal, $description:literal) => {
        impl $type {
            /// Reads a plain number, in the unit the type's documentation names.
            pub fn from_number(number: f64) -> Result<Self, InvalidQuantity> {
                from_f64(number, Self::WHAT, $number, Self::MAX.0).map(Self)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Read;
                impl Visitor<'_> for Read {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($type::WHAT)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        $type::from_number(number as f64).map_err(E::custom)
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        $type::from_number(number as f64).map_err(E::custom)
                    }

                    fn visit_f64<E: de::Error>(self, number: f64) -> Result<$type, E> {
                        $type::from_number(number).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Read)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $description,
                    "anyOf": [{ "type": "string", "pattern": $pattern }, { "type": "number", "minimum": 0 }],
                })
            }
        }
    };
}

quantity_serde!(Cpu, 1000, r"^[0-9]+(\.[0-9]+)?m?$", "CPU: cores (0.5), or thousandths of one (\"500m\").");
quantity_serde!(
    Bytes,
    1,
    r"^[0-9]+(\.[0-9]+)? ?(B|[KMGT]i?B?|kB)?$",
    "Memory: \"256MiB\", \"1.5GiB\", \"500MB\", or bytes."
);
quantity_serde!(
    Millis,
    1000,
    r"^[0-9]+(\.[0-9]+)?(ms|s|m|min|h|d)$",
    "A length of time: \"250ms\", \"2s\", \"1.5m\", \"1h\", or seconds."
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!("500m".parse(), Ok(Cpu(500)));
        assert_eq!("0.5".parse(), Ok(Cpu(500)));
        assert_eq!(Cpu::from_cores(0.1), Ok(Cpu(100)));
        assert_eq!("256MiB".parse(), Ok(Bytes(256 << 20)));
        assert_eq!("1.5 GiB".parse(), Ok(Bytes(3 << 29)));
        assert_eq!("500MB".parse(), Ok(Bytes(500_000_000)));
        assert_eq!("1.5m".parse(), Ok(Millis(90_000)));
        assert_eq!("250ms".parse(), Ok(Millis(250)));
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        let reason = |r: Result<Bytes, InvalidQuantity>| r.unwrap_err().to_string();
        assert_eq!(reason("-1MiB".parse()), "\"-1MiB\" is not an amount of memory: it is negative");
        assert!(reason("12 parsecs".parse()).contains("unknown unit \"parsecs\""));
        assert!(reason("99999999TiB".parse()).contains("too large"));
        assert!(reason("".parse()).contains("256MiB"));
        assert!(reason(Bytes::from_number(f64::NAN)).contains("finite"));
        assert!(Cpu::from_cores(-0.5).is_err());
        assert!("1.2.3".parse::<Cpu>().is_err());
    }

    proptest! {
        #[test]
        fn canonical_text_reads_back(n in 0..=Bytes::MAX.0) {
            prop_assert_eq!(Bytes(n).to_string().parse(), Ok(Bytes(n)));
            let cpu = Cpu(n % Cpu::MAX.0);
            prop_assert_eq!(cpu.to_string().parse(), Ok(cpu));
            let millis = Millis(n % Millis::MAX.0);
            prop_assert_eq!(millis.to_string().parse(), Ok(millis));
        }

        #[test]
        fn junk_never_panics(text in "\\PC*") {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Cpu>();
            let _ = text.parse::<Millis>();
        }
    }
}
