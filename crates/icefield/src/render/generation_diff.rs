use std::collections::{BTreeMap, BTreeSet};

use icefield_api::PastGeneration;
use icefield_plan::{PlanDiff, ReplicaChange};
use icefield_spec::{Bytes, StorePath};

/// What differs from one generation to another, a line each.
pub(crate) fn generation_diff(old: &PastGeneration, new: &PastGeneration, plans: &PlanDiff) -> String {
    let mut lines = Vec::new();
    let mut pair = |what: &str, pair: Option<(String, String)>| {
        lines.extend(pair.map(|(old, new)| format!("~ {what}  {old} → {new}")));
    };
    let or_none = |name: Option<String>| name.unwrap_or_else(|| "none".into());
    let base = plans
        .base
        .clone()
        .map(|(old, new)| (or_none(old.map(|name| name.to_string())), or_none(new.map(|name| name.to_string()))));
    pair("base", base);
    pair("address", plans.address.clone());
    pair("platform", plans.system.clone());
    let short = |system: Option<StorePath>| or_none(system.as_ref().map(StorePath::short));
    pair("system", plans.nixos.clone().map(|(old, new)| (short(old), short(new))));
    for (replica, change) in &plans.replicas {
        let revision = |one: &PastGeneration| {
            let planned = one.generation.plan.replicas.get(replica);
            planned.map(|planned| planned.revision.short()).unwrap_or_default()
        };
        lines.push(match change {
            ReplicaChange::Added => format!("+ {replica}  at revision {}", revision(new)),
            ReplicaChange::Removed => format!("- {replica}  at revision {}", revision(old)),
            ReplicaChange::Revised => format!("~ {replica}  revision {} → {}", revision(old), revision(new)),
            ReplicaChange::Rewired => format!("~ {replica}  other ports"),
        });
    }
    match (&old.closure, &new.closure) {
        (Some(before), Some(after)) if before != after => {
            lines.extend(packages(before, after));
            let total = |closure: &BTreeMap<String, u64>| closure.values().sum::<u64>();
            lines.push(format!("= {} → {} in all", Bytes::new(total(before)), Bytes::new(total(after))));
        }
        (None, None) | (Some(_), Some(_)) => {}
        _ => lines.push("? one of the two systems is not in the node's store, so packages cannot be compared".into()),
    }
    if lines.is_empty() {
        return "the two generations are the same\n".into();
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What of two closures differs, by the names of their paths without the hash.
fn packages(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<String> {
    let (old, new) = (by_name(before, after), by_name(after, before));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let size = |parts: &BTreeMap<String, u64>| Bytes::new(parts.values().sum());
    let versions = |parts: &BTreeMap<String, u64>| {
        let versions: Vec<&str> = parts.keys().map(String::as_str).filter(|version| !version.is_empty()).collect();
        if versions.is_empty() { String::new() } else { format!(" {}", versions.join(", ")) }
    };
    let line = |name: &String| match (old.get(name), new.get(name)) {
        (None, Some(new)) => format!("+ package {name}{}  {}", versions(new), size(new)),
        (Some(old), None) => format!("- package {name}{}  {}", versions(old), size(old)),
        (Some(old), Some(new)) if versions(old) != versions(new) => {
            format!("~ package {name} {} →{}  {} → {}", versions(old).trim(), versions(new), size(old), size(new))
        }
        (Some(old), Some(new)) => format!("~ package {name}{}  {} → {}", versions(new), size(old), size(new)),
        (None, None) => String::new(),
    };
    names.into_iter().map(line).collect()
}

/// The paths of `closure` that are not in `other`: by name, by version, the size.
fn by_name(closure: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut packages: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (path, size) in closure.iter().filter(|(path, _)| !other.contains_key(*path)) {
        let last = path.rsplit('/').next().unwrap_or_default();
        let (name, version) = name_and_version(last.split_once('-').map_or(last, |(_, name)| name));
        *packages.entry(name.into()).or_default().entry(version.into()).or_default() += size;
    }
    packages
}

/// As Nix parts them: the version begins after the first `-` that no letter follows.
fn name_and_version(text: &str) -> (&str, &str) {
    let at = text.match_indices('-').find(|(at, _)| text[at + 1..].starts_with(|c: char| !c.is_ascii_alphabetic()));
    at.map_or((text, ""), |(at, _)| (&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_parted_as_nix_does() {
        assert_eq!(name_and_version("openssl-3.0.14-bin"), ("openssl", "3.0.14-bin"));
        assert_eq!(name_and_version("unit-app.service"), ("unit-app.service", ""));
        assert_eq!(name_and_version("a-"), ("a-", ""));
    }

    #[test]
    fn packages_differ_by_version_and_size() {
        let closure = |paths: &[(&str, u64)]| {
            paths.iter().map(|(name, size)| (format!("/nix/store/{name}"), *size)).collect::<BTreeMap<_, _>>()
        };
        let before =
            closure(&[("aa-same-1", 1), ("ab-openssl-3.0", 1024), ("ac-htop-3", 5), ("ad-unit-app.service", 9)]);
        let after = closure(&[("aa-same-1", 1), ("bb-openssl-3.1", 2048), ("bc-vim-9", 7), ("bd-unit-app.service", 8)]);
        assert_eq!(
            packages(&before, &after),
            [
                "- package htop 3  5B",
                "~ package openssl 3.0 → 3.1  1KiB → 2KiB",
                "~ package unit-app.service  9B → 8B",
                "+ package vim 9  7B",
            ]
        );
    }
}
