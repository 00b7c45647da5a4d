use icefield_spec::{Closures, Name, NixSource};

use crate::EmitError;

/// What a service of the kind `nix` is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Package<'a> {
    /// What it was built to already.
    Built {
        /// By system.
        closures: &'a Closures,
    },
    /// An attribute path of nixpkgs.
    Nixpkgs {
        /// The path's parts.
        attributes: Vec<&'a str>,
    },
    /// An output of a flake.
    Flake {
        /// The flake.
        url: &'a str,
        /// The parts of what stands behind the `#`.
        attributes: Vec<&'a str>,
    },
}

impl<'a> Package<'a> {
    /// What was built if anything was, else what `source` names.
    pub(crate) fn of(service: &Name, source: &'a NixSource, closures: &'a Closures) -> Result<Self, EmitError> {
        if !closures.is_empty() {
            return Ok(Self::Built { closures });
        }
        let package = match source {
            NixSource::Reference(reference) => return Self::parse(service, reference),
            NixSource::File(file) => &file.file,
            NixSource::Text(text) => &text.name,
        };
        let reason = "it was not built; `icefield build FILE --out SPEC` builds it, then compile SPEC";
        Err(EmitError::Package { service: service.clone(), package: package.clone(), reason })
    }

    /// Reads `"htop"`, `"python3Packages.requests"`, `"nixpkgs#htop"`, `"github:o/r"` or `"github:o/r#name"`.
    fn parse(service: &Name, text: &'a str) -> Result<Self, EmitError> {
        let fail = |reason| EmitError::Package { service: service.clone(), package: text.to_owned(), reason };
        let (url, fragment) = match text.split_once('#') {
            Some((url, fragment)) => (url, Some(fragment)),
            None if text.contains([':', '/']) => (text, None),
            None => ("nixpkgs", Some(text)),
        };
        let attributes: Vec<&str> = match fragment {
            Some(path) => path.split('.').collect(),
            None => vec!["default"],
        };
        if !attributes.iter().all(|part| is_attribute(part)) {
            return Err(fail("attribute paths are made of letters, digits, \"_\", \"-\" and \"'\", with dots between"));
        }
        if url == "nixpkgs" {
            return Ok(Self::Nixpkgs { attributes });
        }
        if url.is_empty() || url.starts_with('.') {
            return Err(fail(
                "a flake beside the declaration cannot be found from elsewhere; write its URL, or build it first (`icefield \
                 build FILE --out SPEC`)",
            ));
        }
        if url.chars().any(|c| c.is_whitespace() || c.is_control()) || url.starts_with('-') {
            return Err(fail("a flake reference holds no white space and does not start with \"-\""));
        }
        Ok(Self::Flake { url, attributes })
    }
}

fn is_attribute(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('-')
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Package<'_>, EmitError> {
        Package::parse(&Name::new("web").unwrap(), text)
    }

    #[test]
    fn paths_and_references_are_told_apart() {
        let nixpkgs = |attributes: &[&'static str]| Ok(Package::Nixpkgs { attributes: attributes.to_vec() });
        assert_eq!(parse("htop"), nixpkgs(&["htop"]));
        assert_eq!(parse("nixpkgs#htop"), nixpkgs(&["htop"]));
        assert_eq!(parse("python3Packages.requests"), nixpkgs(&["python3Packages", "requests"]));
        assert_eq!(parse("github:o/r#name"), Ok(Package::Flake { url: "github:o/r", attributes: vec!["name"] }));
        assert_eq!(parse("github:o/r"), Ok(Package::Flake { url: "github:o/r", attributes: vec!["default"] }));
    }

    #[test]
    fn the_rest_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "attribute paths"),
            ("a..b", "attribute paths"),
            ("a b", "attribute paths"),
            ("./here#x", "write its URL"),
            ("#x", "write its URL"),
            ("github:o/r\n#x", "white space"),
            ("github:o/r#", "attribute paths"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(reason), "{text:?}: {message}");
        }
    }
}
