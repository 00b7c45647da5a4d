//! Mistakes a person makes, and what they are told: each file of `mistakes/` beside its snapshot.

mod common;

use std::path::Path;

use common::{rendered, run};

#[test]
fn each_mistake_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "star"));
    files.sort();
    assert!(files.len() >= 35, "only {} files", files.len());

    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let vars: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix("# given: ")?.split_once('=')).collect();
        let evaluation = run(&text, &vars);
        let name = path.file_stem().unwrap().to_str().unwrap();
        settings.bind(|| insta::assert_snapshot!(name, rendered(&evaluation)));
    }
}
