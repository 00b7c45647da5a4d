use std::collections::BTreeMap;

use icefield_spec::StorePath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All that a path of the store needs, itself included, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Closure {
    /// The paths.
    pub paths: BTreeMap<StorePath, ClosurePath>,
}

/// One path of a closure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosurePath {
    /// Its size as an archive, in bytes.
    pub size: u64,
    /// The paths that it refers to.
    pub references: Vec<StorePath>,
}

impl Closure {
    /// The size of all paths together, in bytes.
    pub fn size(&self) -> u64 {
        self.paths.values().map(|path| path.size).fold(0, u64::saturating_add)
    }

    /// Reads what `nix path-info --json` answers: a list with the paths in it (until 2.18), or a set by path. What the store
    /// does not have is left out.
    pub(crate) fn parse(answer: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(answer).ok()?;
        let mut paths = BTreeMap::new();
        match &value {
            Value::Array(list) => {
                for entry in list.iter().filter(|entry| entry["valid"] != Value::Bool(false)) {
                    paths.insert(entry["path"].as_str()?.parse().ok()?, one(entry, "")?);
                }
            }
            Value::Object(set) => {
                // The newest form names paths by their last part.
                let (set, store) = match (set.get("info").and_then(Value::as_object), set.get("storeDir")) {
                    (Some(info), store) => {
                        (info, format!("{}/", store.and_then(Value::as_str).unwrap_or("/nix/store")))
                    }
                    (None, _) => (set, String::new()),
                };
                for (path, entry) in set.iter().filter(|(_, entry)| !entry.is_null()) {
                    paths.insert(format!("{store}{path}").parse().ok()?, one(entry, &store)?);
                }
            }
            _ => return None,
        }
        Some(Self { paths })
    }
}

fn one(entry: &Value, store: &str) -> Option<ClosurePath> {
    let references = entry["references"].as_array()?.iter();
    let references = references.map(|reference| format!("{store}{}", reference.as_str()?).parse().ok());
    Some(ClosurePath { size: entry["narSize"].as_u64()?, references: references.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_all_versions_are_read() {
        let (a, b) = ("d8saylrbwdk1qrhr29965vdb9ahx5y0d-a", "d8saylrbwdk1qrhr29965vdb9ahx5y0d-b");
        let list = format!(
            r#"[{{"path":"/s/x/{a}","narSize":7,"references":["/s/x/{a}"]}},{{"path":"/s/x/{b}","valid":false}}]"#
        );
        let set = format!(r#"{{"/s/x/{a}":{{"narSize":7,"references":["/s/x/{a}"]}},"/s/x/{b}":null}}"#);
        let newest = format!(
            r#"{{"version":2,"storeDir":"/s/x","info":{{"{a}":{{"narSize":7,"references":["{a}"]}},"{b}":null}}}}"#
        );
        for answer in [list, set, newest] {
            let closure = Closure::parse(&answer).unwrap_or_else(|| panic!("{answer}"));
            let path: StorePath = format!("/s/x/{a}").parse().unwrap();
            assert_eq!(closure.paths.keys().collect::<Vec<_>>(), [&path]);
            assert_eq!((closure.size(), &closure.paths[&path].references), (7, &vec![path.clone()]));
        }
        assert_eq!(Closure::parse("null"), None);
        assert_eq!(Closure::parse(""), None);
    }
}
