use std::collections::BTreeMap;

use icefield_plan::ReplicaId;
use icefield_spec::{Name, Revision};

/// The settings of units whose values are names of units.
const NAMING: [&str; 27] = [
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "JoinsNamespaceOf",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "ReloadPropagatedFrom",
    "Requires",
    "Requisite",
    "Service",
    "Sockets",
    "StopPropagatedFrom",
    "Unit",
    "Upholds",
    "Wants",
    "Also",
    "WantedBy",
    "RequiredBy",
    "UpheldBy",
    "Alias",
    "Slice",
    "DefaultInstance",
    "RequiresOverridable",
];

/// What the units of one replica at one revision begin with, so that no two are called alike; not those of two nodes either
/// that share a manager, as on a machine that stands for several.
pub(super) fn stem(node: &Name, id: &ReplicaId, revision: &Revision) -> String {
    format!("icefield-{node}-{}-{}-{}", id.service, id.index, revision.short())
}

/// What the slice of a tree is called whose units begin with `stem`. In the name of a slice each dash leads into another one, so
/// that two of them cannot follow each other; names of services and nodes have no underscores.
pub(super) fn slice(stem: &str) -> String {
    let mut name = stem.to_owned();
    while name.contains("--") {
        name = name.replace("--", "-_-");
    }
    name + ".slice"
}

/// What the service of a replica is called that is one service, with its number as the instance.
pub(super) fn instance(node: &Name, id: &ReplicaId, revision: &Revision) -> String {
    format!("icefield-{node}-{}-{}@{}.service", id.service, revision.short(), id.index)
}

/// `text` of a unit with the names of the tree's units as `names` has them.
///
/// Units refer to each other by name; what they say of units of the machine stays.
pub(super) fn renamed(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut goes_on = false;
    for line in text.split_inclusive('\n') {
        let (head, values) = match line.split_once('=') {
            _ if goes_on => ("", line),
            Some((key, values)) if NAMING.contains(&key.trim()) => (&line[..=key.len()], values),
            _ => {
                out.push_str(line);
                continue;
            }
        };
        out.push_str(head);
        for word in values.split_inclusive(char::is_whitespace) {
            let name = word.trim_end();
            match new_name(name, names) {
                Some(new) => {
                    out.push_str(&new);
                    out.push_str(&word[name.len()..]);
                }
                None => out.push_str(word),
            }
        }
        goes_on = line.trim_end().ends_with('\\');
    }
    out
}

/// What the tree's unit `name` is called on the node; of an instance of one of its templates, too.
fn new_name(name: &str, names: &BTreeMap<String, String>) -> Option<String> {
    if let Some(new) = names.get(name) {
        return Some(new.clone());
    }
    let (before, after) = name.split_once('@')?;
    let (instance, kind) = after.rsplit_once('.')?;
    let template = names.get(&format!("{before}@.{kind}"))?;
    Some(template.replacen('@', &format!("@{instance}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_no_two_dashes_in_a_row() {
        assert_eq!(slice("icefield-n1-db-0-ab"), "icefield-n1-db-0-ab.slice");
        assert_eq!(slice("icefield-n1-xn--a---b-0-ab"), "icefield-n1-xn-_-a-_-_-b-0-ab.slice");
    }

    #[test]
    fn only_names_of_the_tree_are_other_ones() {
        let names =
            [("web.service", "x-web.service"), ("job@.service", "x-job@.service"), ("web.socket", "x-web.socket")];
        let names = names.map(|(old, new)| (old.to_owned(), new.to_owned())).into();
        let text = "[Unit]\nAfter=network.target web.service \\\n  job@a.service\nDescription=web.service of web.socket\n\n\
                    [Service]\nSockets=web.socket\nExecStart=/bin/x web.service\n";
        let expected = "[Unit]\nAfter=network.target x-web.service \\\n  x-job@a.service\nDescription=web.service of web.socket\n\n\
                        [Service]\nSockets=x-web.socket\nExecStart=/bin/x web.service\n";
        assert_eq!(renamed(text, &names), expected);
    }
}
