use std::path::{Path, PathBuf};

/// What a text names that is an attribute path, a path or a flake reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `redis`, `nixpkgs#redis`: an attribute of nixpkgs.
    Nixpkgs { attribute: String },
    /// `.#web`, `./web`, `path:web#x`: a flake, or for nixpkgs any folder or file, of this machine.
    Local { path: PathBuf, attribute: String },
    /// `github:o/r#name`.
    Remote { url: String, attribute: String },
}

impl Reference {
    /// Reads it; what is relative is so to `folder`.
    pub(crate) fn parse(text: &str, folder: &Path) -> Self {
        let (url, attribute) = match text.split_once('#') {
            Some((url, attribute)) => (url, attribute.to_owned()),
            None => (text, String::new()),
        };
        let path = url.strip_prefix("path:").unwrap_or(url);
        let is_path = url.starts_with("path:") || path.starts_with(['.', '/']) || text.starts_with('#');
        if is_path && !path.contains('?') {
            let path = folder.join(path);
            return Self::Local { path: path.components().collect(), attribute };
        }
        if url == "nixpkgs" {
            return Self::Nixpkgs { attribute };
        }
        if !text.contains(['#', ':', '/']) {
            return Self::Nixpkgs { attribute: text.to_owned() };
        }
        Self::Remote { url: url.to_owned(), attribute }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_told_apart() {
        let parse = |text| Reference::parse(text, Path::new("/home/me/shop"));
        let local = |path: &str, attribute: &str| Reference::Local { path: path.into(), attribute: attribute.into() };
        assert_eq!(parse(".#web"), local("/home/me/shop", "web"));
        assert_eq!(parse("#web"), local("/home/me/shop", "web"));
        assert_eq!(parse("./web"), local("/home/me/shop/web", ""));
        assert_eq!(parse("path:web#x.y"), local("/home/me/shop/web", "x.y"));
        assert_eq!(parse("/srv/web#x"), local("/srv/web", "x"));
        assert_eq!(parse("redis"), Reference::Nixpkgs { attribute: "redis".into() });
        assert_eq!(parse("nixpkgs#redis"), Reference::Nixpkgs { attribute: "redis".into() });
        let remote = Reference::Remote { url: "github:o/r".into(), attribute: "a".into() };
        assert_eq!(parse("github:o/r#a"), remote);
        assert!(matches!(parse("git+file:///srv/web?rev=1#a"), Reference::Remote { .. }));
    }
}
