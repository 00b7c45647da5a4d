//! NixOS modules that the user wrote, as files of their own.

use std::collections::BTreeSet;

use icefield_spec::NixModule;

use crate::File;

/// The name of each module's file: its own where it can be one, and no two alike.
pub(super) fn file_names(modules: &[NixModule]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let name = |module: &NixModule| {
        let stem = stem(&module.name);
        let mut name = format!("{stem}.nix");
        let mut number = 2;
        while !taken.insert(name.to_ascii_lowercase()) {
            name = format!("{stem}-{number}.nix");
            number += 1;
        }
        name
    };
    modules.iter().map(name).collect()
}

/// The modules as files in `folder`.
pub(super) fn files(folder: &str, modules: &[NixModule]) -> Vec<File> {
    let names = file_names(modules);
    modules
        .iter()
        .zip(names)
        .map(|(module, name)| File::new(format!("{folder}/{name}"), module.text.as_str()))
        .collect()
}

/// The last part of a path without `.nix`, of characters that a path in Nix can hold.
fn stem(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let stem: String = last.strip_suffix(".nix").unwrap_or(last).chars().map(kept).take(100).collect();
    let stem = stem.trim_start_matches(['.', '-']);
    if stem.is_empty() { "module".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_none_is_taken_twice() {
        let modules = |names: &[&str]| {
            names.iter().map(|name| NixModule { name: (*name).into(), text: "{ }".into() }).collect::<Vec<_>>()
        };
        let names = file_names(&modules(&["base.nix", "lib/base.nix", "../../etc", "${x}.nix", "", "..", "BASE.nix"]));
        let expected = ["base.nix", "base-2.nix", "etc.nix", "x-.nix", "module.nix", "module-2.nix", "BASE-3.nix"];
        // "${x}" becomes "--x-", whose leading dashes go.
        assert_eq!(names, expected);
    }
}
