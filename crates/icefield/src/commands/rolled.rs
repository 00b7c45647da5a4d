use std::fmt;
use std::str::FromStr;

use icefield_spec::{InvalidName, Name};

/// What is rolled out: a service by its name, or a base as `base/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rolled {
    Service(Name),
    Base(Name),
}

impl FromStr for Rolled {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.strip_prefix("base/") {
            Some(base) => Ok(Self::Base(Name::new(base)?)),
            None => Ok(Self::Service(Name::new(text)?)),
        }
    }
}

impl fmt::Display for Rolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "{name}"),
            Self::Base(name) => write!(f, "base/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_told_by_its_beginning() {
        let name = |text| Name::new(text).unwrap();
        assert_eq!("web".parse::<Rolled>().unwrap(), Rolled::Service(name("web")));
        assert_eq!("base/std".parse::<Rolled>().unwrap(), Rolled::Base(name("std")));
        for bad in ["base/", "base/a/b", "service/web", ""] {
            assert!(bad.parse::<Rolled>().is_err(), "{bad}");
        }
    }
}
