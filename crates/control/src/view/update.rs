use std::collections::BTreeMap;

/// Which keys of a map changed: `"env GREETING changed"`. Values are not told: they may be long, or nobody's business.
pub(super) fn map_update<K: Ord + std::fmt::Display, V: PartialEq>(
    what: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> Vec<String> {
    let mut parts = Vec::new();
    for (key, value) in new {
        match old.get(key) {
            None => parts.push(format!("{what} {key} added")),
            Some(before) if before != value => parts.push(format!("{what} {key} changed")),
            Some(_) => {}
        }
    }
    let gone = old.keys().filter(|key| !new.contains_key(key));
    parts.extend(gone.map(|key| format!("{what} {key} removed")));
    parts
}

/// From what to what a value changed, if it did.
pub(super) fn value_update<T: PartialEq + std::fmt::Display>(what: &str, old: &T, new: &T) -> Option<String> {
    (old != new).then(|| format!("{what} {old} → {new}"))
}

/// That something changed which is too large to show, if it did.
pub(super) fn part_update<T: PartialEq>(what: &str, old: &T, new: &T) -> Option<String> {
    (old != new).then(|| format!("{what} changed"))
}
