//! What goes into an evaluation: every file that an expression can reach by the paths that are written in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use icefield_spec::StorePath;
use rnix::SyntaxKind::{
    self, TOKEN_IDENT, TOKEN_INTERPOL_END, TOKEN_INTERPOL_START, TOKEN_PATH_ABS, TOKEN_PATH_HOME, TOKEN_PATH_REL,
    TOKEN_PATH_SEARCH,
};

/// Files by their content, gathered over several expressions.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// The hash of each file, or what else can be said of a path.
    pub(crate) hashes: BTreeMap<String, String>,
    /// Every file and folder that was looked at.
    pub(crate) watched: BTreeSet<PathBuf>,
    /// Why the same files may mean something else next time, if they may: then what was built is not remembered.
    pub(crate) loose: Option<String>,
    bytes: u64,
}

/// Beyond so much, looking at all of it takes longer than asking Nix again.
const MAX_FILES: usize = 50_000;
const MAX_BYTES: u64 = 1 << 30;
/// Built-in functions whose answer depends on more than files.
const LOOSE: [&str; 2] = ["currentTime", "getEnv"];
/// Those that fetch something that may be another thing next time, unless its hash or revision is given.
const FETCHERS: [&str; 7] =
    ["fetchGit", "fetchMercurial", "fetchTarball", "fetchTree", "fetchurl", "getFlake", "fetchClosure"];
const PINS: [&str; 4] = ["sha256", "hash", "narHash", "rev"];

impl Inputs {
    /// Takes in a file in Nix and all that it can reach.
    pub(crate) fn nix_file(&mut self, path: &Path, search_path: Option<&str>) {
        if self.hashes.contains_key(&*path.to_string_lossy()) {
            return;
        }
        let Some(bytes) = self.file(path) else { return };
        let Ok(text) = String::from_utf8(bytes) else { return };
        let folder = path.parent().unwrap_or(Path::new("/"));
        self.expression(&text, folder, &path.display().to_string(), search_path);
    }

    /// Takes in what an expression that is no file can reach.
    pub(crate) fn text(&mut self, text: &str, search_path: Option<&str>) {
        self.expression(text, Path::new("/"), "the expression", search_path);
    }

    fn expression(&mut self, text: &str, folder: &Path, place: &str, search_path: Option<&str>) {
        let (paths, loose) = literals(text);
        if let Some(loose) = loose {
            self.loosen(format!("{place} uses {loose}"));
        }
        for literal in paths {
            match literal {
                Literal::Search(name) => self.search(&name, search_path),
                Literal::Path(path) if path.starts_with('~') => {
                    self.loosen(format!("{path} depends on whose home it is"))
                }
                Literal::Path(path) => self.path(&normal(&folder.join(path)), search_path),
            }
        }
    }

    /// Takes in a file or a whole folder.
    pub(crate) fn path(&mut self, path: &Path, search_path: Option<&str>) {
        let shown = path.to_string_lossy().into_owned();
        // What is in a store does not change.
        if is_in_store(path) {
            self.hashes.insert(shown, "store".into());
            return;
        }
        if self.is_full() {
            return;
        }
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path, search_path),
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(path).unwrap_or_default();
                self.watched.insert(path.to_path_buf());
                let before = self.hashes.insert(shown, format!("link {}", target.display()));
                if before.is_none() && !is_in_store(&target) {
                    let folder = path.parent().unwrap_or(Path::new("/"));
                    self.path(&normal(&folder.join(target)), search_path);
                }
            }
            Ok(_) if path.extension().is_some_and(|extension| extension == "nix") => self.nix_file(path, search_path),
            Ok(metadata) if metadata.is_file() => drop(self.file(path)),
            Ok(_) => drop(self.hashes.insert(shown, "special".into())),
            Err(_) => {
                self.watched.insert(path.to_path_buf());
                self.hashes.insert(shown, "missing".into());
            }
        }
    }

    fn folder(&mut self, path: &Path, search_path: Option<&str>) {
        let shown = path.to_string_lossy().into_owned();
        if self.hashes.insert(shown, "folder".into()).is_some() {
            return;
        }
        self.watched.insert(path.to_path_buf());
        let Ok(entries) = fs::read_dir(path) else { return };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names.into_iter().filter(|name| *name != *".git") {
            self.path(&path.join(name), search_path);
        }
    }

    /// The content of a file, which is noted.
    fn file(&mut self, path: &Path) -> Option<Vec<u8>> {
        use std::os::unix::fs::PermissionsExt as _;
        self.watched.insert(path.to_path_buf());
        let shown = path.to_string_lossy().into_owned();
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        let size = metadata.as_ref().map_or(0, fs::Metadata::len);
        self.bytes = self.bytes.saturating_add(size);
        if self.is_full() {
            return None;
        }
        let read = metadata.and_then(|metadata| Some((fs::read(path).ok()?, metadata.permissions().mode() & 0o100)));
        let told = read.as_ref().map_or_else(
            || "missing".to_owned(),
            |(bytes, executable)| format!("{} {executable:o}", blake3::hash(bytes).to_hex()),
        );
        self.hashes.insert(shown, told);
        read.map(|(bytes, _)| bytes)
    }

    fn is_full(&mut self) -> bool {
        let full = self.hashes.len() > MAX_FILES || self.bytes > MAX_BYTES;
        if full {
            self.loosen("there are more files than are looked at".into());
        }
        full
    }

    pub(crate) fn loosen(&mut self, why: String) {
        self.loose.get_or_insert(why);
    }

    /// `<nixpkgs>`: fixed as long as the search path leads into a store.
    fn search(&mut self, name: &str, search_path: Option<&str>) {
        let Some(search_path) = search_path else {
            return self.loosen(format!("<{name}> is looked for wherever Nix has it"));
        };
        for entry in search_path.split(':').filter(|entry| !entry.is_empty()) {
            let path = entry.split_once('=').map_or(entry, |(_, path)| path);
            match fs::canonicalize(path) {
                Ok(found) if is_in_store(&found) => {
                    self.hashes.insert(format!("NIX_PATH {entry}"), found.to_string_lossy().into_owned());
                }
                Ok(found) if found.exists() && is_small(&found) => self.path(&found, Some(search_path)),
                _ => self.loosen(format!("<{name}> is looked for outside of the store ({entry})")),
            }
        }
    }
}

/// Whether a folder is no checkout of nixpkgs, which has tens of thousands of files.
fn is_small(path: &Path) -> bool {
    !path.join("pkgs/top-level").exists()
}

/// Without `.` and `..`, as written; no link is followed.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// Whether the path is one of a store, or in one.
fn is_in_store(path: &Path) -> bool {
    path.ancestors().any(|path| path.to_str().is_some_and(|path| path.parse::<StorePath>().is_ok()))
}

/// A path that is written in an expression.
enum Literal {
    Path(String),
    Search(String),
}

/// The paths that are written in `text`, and a name that makes it depend on more than files.
fn literals(text: &str) -> (Vec<Literal>, Option<String>) {
    let tokens = tokens(text);
    let names = || tokens.iter().filter(|(kind, _)| *kind == TOKEN_IDENT).map(|(_, name)| name.as_str());
    let is_pinned = names().any(|name| PINS.contains(&name));
    let is_loose = |name: &&str| LOOSE.contains(name) || !is_pinned && FETCHERS.contains(name);
    let loose = names().find(is_loose).map(str::to_owned);
    let mut found = Vec::new();
    for (at, (kind, written)) in tokens.iter().enumerate() {
        match *kind {
            TOKEN_PATH_SEARCH => {
                let name = written.trim_matches(['<', '>']);
                // `<nix/fetchurl.nix>` is a part of Nix.
                if !name.starts_with("nix/") {
                    found.push(Literal::Search(name.to_owned()));
                }
            }
            // The rest of a path with a variable part.
            _ if at > 0 && tokens[at - 1].0 == TOKEN_INTERPOL_END => {}
            TOKEN_PATH_REL | TOKEN_PATH_ABS | TOKEN_PATH_HOME => {
                let goes_on = tokens.get(at + 1).is_some_and(|(next, _)| *next == TOKEN_INTERPOL_START);
                let path = if goes_on { written.rsplit_once('/').map_or("", |(folder, _)| folder) } else { written };
                found.push(Literal::Path(if path.is_empty() { "/".into() } else { path.to_owned() }));
            }
            _ => {}
        }
    }
    (found, loose)
}

/// The first relative path in `text`, which has no place of its own.
pub(crate) fn relative_path(text: &str) -> Option<String> {
    let is_first = |at: usize, all: &[(SyntaxKind, String)]| at == 0 || all[at - 1].0 != TOKEN_INTERPOL_END;
    let tokens = tokens(text);
    let found = (0..tokens.len()).find(|at| tokens[*at].0 == TOKEN_PATH_REL && is_first(*at, &tokens));
    found.map(|at| tokens[at].1.clone())
}

/// The words of an expression, also of one with mistakes.
fn tokens(text: &str) -> Vec<(SyntaxKind, String)> {
    let words = rnix::Root::parse(text).syntax().descendants_with_tokens();
    let tokens = words.filter_map(rnix::NodeOrToken::into_token);
    tokens.map(|token| (token.kind(), token.text().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn gather(folder: &Path) -> (BTreeMap<String, String>, Option<String>) {
        let mut inputs = Inputs::default();
        inputs.nix_file(&folder.join("web.nix"), None);
        (inputs.hashes, inputs.loose)
    }

    #[test]
    fn what_a_file_can_reach_goes_in_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, "web.nix", "let lib = import ./lib; in derivation { src = ./src/web.sh; x = ./conf/${lib.name}; }");
        write(at, "lib/default.nix", "import ../shared.nix");
        write(at, "shared.nix", "{ name = \"a\"; }");
        write(at, "src/web.sh", "echo web");
        write(at, "conf/a", "a");
        write(at, "other.nix", "1");
        let before = gather(at);
        assert_eq!(before.1, None);
        for name in ["other.nix", "src/other.sh"] {
            write(at, name, "changed");
            assert_eq!(gather(at), before, "{name}");
        }
        for name in ["web.nix", "lib/default.nix", "shared.nix", "src/web.sh", "conf/a", "conf/b"] {
            let text = fs::read_to_string(at.join(name)).unwrap_or_default();
            write(at, name, &format!("{text} "));
            assert_ne!(gather(at).0, before.0, "{name}");
            write(at, name, &text);
        }
    }

    #[test]
    fn what_depends_on_more_than_files_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (text, loose) in [
            ("{ t = builtins.currentTime; }", true),
            ("builtins.getEnv \"HOME\"", true),
            ("import <nixpkgs> { }", true),
            ("builtins.fetchTarball \"https://x\"", true),
            ("builtins.fetchTarball { url = \"https://x\"; sha256 = \"0\"; }", false),
            ("import <nix/fetchurl.nix> { }", false),
            ("import ~/x.nix", true),
            ("import ./web.nix", false),
        ] {
            write(folder.path(), "web.nix", text);
            assert_eq!(gather(folder.path()).1.is_some(), loose, "{text}");
        }
    }
}
