use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::nar::{Listing, Sink, pack};

/// A tree in memory.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    File { executable: bool, contents: Vec<u8> },
    Link(Vec<u8>),
    Folder(BTreeMap<Vec<u8>, Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(executable, contents)| Tree::File { executable, contents }),
        "[a-z./]{1,20}".prop_map(|target| Tree::Link(target.into_bytes())),
    ];
    leaf.prop_recursive(4, 30, 6, |inner| {
        let name = "[a-zA-Z0-9_ é-]{1,12}".prop_map(String::into_bytes);
        proptest::collection::btree_map(name, inner, 0..6).prop_map(Tree::Folder)
    })
}

fn build(tree: &Tree, path: &Path) {
    match tree {
        Tree::File { executable, contents } => {
            fs::write(path, contents).unwrap();
            fs::set_permissions(path, Permissions::from_mode(if *executable { 0o755 } else { 0o644 })).unwrap();
        }
        Tree::Link(target) => symlink(std::ffi::OsStr::from_bytes(target), path).unwrap(),
        Tree::Folder(entries) => {
            fs::create_dir(path).unwrap();
            for (name, entry) in entries {
                build(entry, &path.join(std::ffi::OsStr::from_bytes(name)));
            }
        }
    }
}

/// The NAR of a tree, by the grammar alone.
fn nar(tree: &Tree) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &[u8]) {
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text);
        while !out.len().is_multiple_of(8) {
            out.push(0);
        }
    }
    fn node(out: &mut Vec<u8>, tree: &Tree) {
        text(out, b"(");
        text(out, b"type");
        match tree {
            Tree::File { executable, contents } => {
                text(out, b"regular");
                if *executable {
                    text(out, b"executable");
                    text(out, b"");
                }
                text(out, b"contents");
                text(out, contents);
            }
            Tree::Link(target) => {
                text(out, b"symlink");
                text(out, b"target");
                text(out, target);
            }
            Tree::Folder(entries) => {
                text(out, b"directory");
                for (name, entry) in entries {
                    for word in [b"entry".as_slice(), b"(", b"name", name, b"node"] {
                        text(out, word);
                    }
                    node(out, entry);
                    text(out, b")");
                }
            }
        }
        text(out, b")");
    }
    let mut out = Vec::new();
    text(&mut out, b"nix-archive-1");
    node(&mut out, tree);
    out
}

/// What is put together from what is told.
#[derive(Default)]
struct Builder {
    open: Vec<BTreeMap<Vec<u8>, Tree>>,
    names: Vec<Vec<u8>>,
    whole: Option<Tree>,
}

impl Builder {
    fn tell(&mut self, event: Event<'_>) {
        match event {
            Event::Directory => self.open.push(BTreeMap::new()),
            Event::Entry(name) => self.names.push(name.to_vec()),
            Event::Leave => {
                let folder = Tree::Folder(self.open.pop().unwrap());
                self.place(folder);
            }
            Event::Symlink(target) => self.place(Tree::Link(target.to_vec())),
            Event::Regular { executable, .. } => self.place(Tree::File { executable, contents: Vec::new() }),
            Event::Contents(more) => {
                let file = match self.open.last_mut() {
                    Some(folder) => folder.get_mut(self.names.last().unwrap()),
                    None => self.whole.as_mut(),
                };
                let Some(Tree::File { contents, .. }) = file else { panic!("contents of nothing") };
                contents.extend_from_slice(more);
            }
        }
    }

    fn place(&mut self, tree: Tree) {
        // A folder's own entries are named after it.
        self.names.truncate(self.open.len());
        match self.open.last_mut() {
            Some(folder) => drop(folder.insert(self.names.last().unwrap().clone(), tree)),
            None => self.whole = Some(tree),
        }
    }

    fn entry_named(&mut self, event: Event<'_>) {
        if let Event::Entry(_) = event {
            self.names.truncate(self.open.len() - 1);
        }
    }
}

fn read(bytes: &[u8], piece: usize) -> io::Result<Tree> {
    let (mut parser, mut builder) = (Parser::default(), Builder::default());
    for piece in bytes.chunks(piece) {
        parser.read(piece, &mut |event| {
            builder.entry_named(event);
            builder.tell(event);
            Ok(())
        })?;
    }
    if parser.is_whole() { Ok(builder.whole.unwrap()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

struct All(Vec<u8>);

impl Sink for All {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_tree_is_packed_by_the_grammar_and_read_again(tree in tree(), piece in 1..100_usize) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tree");
        build(&tree, &path);
        let mut packed = All(Vec::new());
        pack(&path, &mut packed).unwrap();
        prop_assert_eq!(&packed.0, &nar(&tree));
        prop_assert_eq!(read(&packed.0, piece).unwrap(), tree);
    }

    #[test]
    fn no_beginning_of_one_is_whole_and_nothing_may_follow(tree in tree(), cut in any::<proptest::sample::Index>()) {
        let mut bytes = nar(&tree);
        let cut = cut.index(bytes.len());
        prop_assert!(read(&bytes[..cut], 7).is_err());
        bytes.push(0);
        prop_assert!(read(&bytes, 64).is_err());
    }

    #[test]
    fn what_is_damaged_is_refused_or_another_tree(
        tree in tree(), at in any::<proptest::sample::Index>(), flip in 1..=255_u8
    ) {
        let mut bytes = nar(&tree);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = read(&bytes, 64) {
            prop_assert_eq!(nar(&other), bytes);
        }
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (names, problem) in [
        (vec![".."], "a name that no file can have"),
        (vec!["a/b"], "a name that no file can have"),
        (vec![""], "a name that no file can have"),
        (vec!["b", "a"], "not sorted"),
        (vec!["a", "a"], "not sorted"),
    ] {
        let mut bytes = Vec::new();
        let mut text = |text: &[u8]| {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        };
        for word in ["nix-archive-1", "(", "type", "directory"] {
            text(word.as_bytes());
        }
        for name in names {
            for word in ["entry", "(", "name", name, "node", "(", "type", "symlink", "target", "x", ")", ")"] {
                text(word.as_bytes());
            }
        }
        text(b")");
        let error = read(&bytes, 64).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn folders_may_not_be_too_deep() {
    let mut tree = Tree::Folder(BTreeMap::new());
    for _ in 0..DEEPEST {
        tree = Tree::Folder([(b"d".to_vec(), tree)].into());
    }
    assert!(read(&nar(&tree), 64).unwrap_err().to_string().contains("too deep"));
}

#[test]
fn a_listing_says_what_is_where() {
    let file = |contents: &[u8]| Tree::File { executable: true, contents: contents.to_vec() };
    let bin = Tree::Folder([(b"a\"b".to_vec(), file(b"hello")), (b"c".to_vec(), Tree::Link(b"a".to_vec()))].into());
    let bytes = nar(&Tree::Folder([(b"bin".to_vec(), bin), (b"empty".to_vec(), Tree::Folder([].into()))].into()));
    let (mut parser, mut listing) = (Parser::default(), Listing::new(Vec::new()).unwrap());
    parser.read(&bytes, &mut |event| listing.tell(event)).unwrap();
    let listing: serde_json::Value = serde_json::from_slice(&listing.finish().unwrap()).unwrap();
    let offset = listing["root"]["entries"]["bin"]["entries"]["a\"b"]["narOffset"].as_u64().unwrap() as usize;
    assert_eq!(&bytes[offset..offset + 5], b"hello");
    let expected = serde_json::json!({
        "version": 1,
        "root": {"type": "directory", "entries": {
            "bin": {"type": "directory", "entries": {
                "a\"b": {"type": "regular", "size": 5, "executable": true, "narOffset": offset},
                "c": {"type": "symlink", "target": "a"},
            }},
            "empty": {"type": "directory", "entries": {}},
        }},
    });
    assert_eq!(listing, expected);
}
