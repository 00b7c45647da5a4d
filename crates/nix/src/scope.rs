use std::path::PathBuf;

/// What a declaration is relative to.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The folder of the declaration: absolute.
    pub folder: PathBuf,
    /// Where nixpkgs is taken from, if nothing else is said: a path or a flake reference.
    pub nixpkgs: String,
    /// Nix's search path, `NIX_PATH`, if there is one.
    pub search_path: Option<String>,
    /// Whether bases are built too, or services alone.
    pub bases: bool,
}
