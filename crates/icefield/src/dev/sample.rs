use std::collections::BTreeMap;

use icefield_spec::{Name, Spec};

use crate::command_error::CommandError;

/// More agents than this are a load test and no development.
pub(super) const MAX_AGENTS: u64 = 64;

/// The nodes that a dev cluster starts agents for: all that are declared, or `sample` of them.
pub(super) fn nodes_to_start(spec: &Spec, sample: Option<u32>) -> Result<Vec<Name>, CommandError> {
    let declared = spec.node_count();
    if declared == 0 {
        return Err(CommandError::new("the file declares no node, so nothing could run")
            .hint("add one: node(\"laptop\", cpu = 2, memory = \"2GiB\")"));
    }
    let wanted = sample.map_or(declared, u64::from).min(declared);
    if wanted > MAX_AGENTS {
        return Err(CommandError::new(format!(
            "the file declares {declared} nodes; one machine can hold agents for {MAX_AGENTS}"
        ))
        .hint("--sample 8 starts eight of them; `icefield plan` and `icefield compile` work on all"));
    }
    Ok(pick(spec, usize::try_from(wanted).unwrap_or(usize::MAX)))
}

/// `count` nodes, taken in turn from the named ones and from each pool, so that every kind is there.
fn pick(spec: &Spec, count: usize) -> Vec<Name> {
    let mut kinds: BTreeMap<Option<&Name>, Vec<Name>> = BTreeMap::new();
    for node in spec.fleet() {
        let kind = kinds.entry(node.pool).or_default();
        if kind.len() < count {
            kind.push(node.name);
        }
    }
    let longest = kinds.values().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..longest).flat_map(|turn| kinds.values().filter_map(move |kind| kind.get(turn)));
    let mut picked: Vec<Name> = in_turn.take(count).cloned().collect();
    picked.sort();
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(pools: &[(&str, u32)]) -> Spec {
        let pools: BTreeMap<_, _> = pools
            .iter()
            .map(|(name, count)| {
                (*name, serde_json::json!({ "count": count, "machine": { "cpu": 1, "memory": "1GiB" } }))
            })
            .collect();
        Spec::from_json(&serde_json::json!({ "schema": 1, "cluster": "c", "pools": pools }).to_string()).unwrap()
    }

    #[test]
    fn a_sample_holds_every_kind() {
        let picked = nodes_to_start(&spec(&[("a", 5000), ("b", 5000)]), Some(4)).unwrap();
        assert_eq!(picked, ["a-1", "a-2", "b-1", "b-2"]);
    }

    #[test]
    fn too_many_nodes_are_refused_with_the_number() {
        let error = format!("{:?}", nodes_to_start(&spec(&[("a", 10_000)]), None).unwrap_err());
        assert!(error.contains("10000 nodes") && error.contains("--sample"), "{error}");
        assert!(nodes_to_start(&spec(&[]), None).is_err());
    }
}
