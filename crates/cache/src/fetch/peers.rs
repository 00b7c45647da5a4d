use std::fmt;
use std::sync::{Arc, OnceLock};

use icefield_api::Http;

use super::source::Source;
use crate::hash::Hash;
use crate::store_path::PathHash;

/// How many nodes get a path from the same one.
const CHILDREN: usize = 4;

/// Another node that serves what it has.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name; the same on every node that knows it.
    pub name: String,
    /// Where it is: nodes of one zone get paths from each other, and one of them from elsewhere.
    pub zone: String,
    /// Its address.
    pub url: String,
}

/// Says how a peer is reached.
type Reach = Box<dyn Fn(&Peer) -> Http + Send + Sync>;

/// The nodes that get paths from each other.
///
/// Each path has a tree of its own, which follows from the names alone: who is where in it is drawn by hashing the name with
/// the path. A node gets the path from the one above it, which gets it from the one above that, all at the same time. The
/// roots of the zones form such a tree too, and its root gets the path from upstream. So every node sends a path a few times at
/// most, whoever sends much of one path sends little of another, and nobody has to know who has what.
pub struct Peers {
    own: (String, String),
    known: Known,
}

/// What is known of them.
enum Known {
    /// All of them, and how one is reached, which is found out when it is asked for the first time.
    All(Vec<(Peer, OnceLock<Arc<Source>>)>, Reach),
    /// Whom to ask, whatever for, the nearest first.
    Some(Vec<Arc<Source>>),
}

impl Peers {
    /// The peers of the node that is called `name` and is in `zone`; `reach` says how one is reached.
    pub fn new(
        name: impl Into<String>,
        zone: impl Into<String>,
        peers: impl IntoIterator<Item = Peer>,
        reach: impl Fn(&Peer) -> Http + Send + Sync + 'static,
    ) -> Self {
        let (name, zone) = (name.into(), zone.into());
        let peers = peers.into_iter().filter(|peer| peer.name != name).map(|peer| (peer, OnceLock::new()));
        let known = Known::All(peers.collect(), Box::new(reach));
        Self { own: (name, zone), known }
    }

    /// The peers of the node that is called `name`: others have decided whom it is to ask, nearest first.
    pub fn given(name: impl Into<String>, sources: impl IntoIterator<Item = Source>) -> Self {
        let sources = sources.into_iter().map(Arc::new).collect();
        Self { own: (name.into(), String::new()), known: Known::Some(sources) }
    }

    pub(super) fn own_name(&self) -> &str {
        &self.own.0
    }

    /// Whom to get a path from: the node above this one, and those above that if it is not there.
    pub(super) fn sources(&self, hash: PathHash) -> Vec<Arc<Source>> {
        let (peers, reach) = match &self.known {
            Known::All(peers, reach) => (peers, reach),
            Known::Some(sources) => return sources.clone(),
        };
        let all = peers.iter().map(|(peer, _)| (peer.name.as_str(), peer.zone.as_str()));
        let above = above((&self.own.0, &self.own.1), all, hash);
        let source = |name| {
            let (peer, source) = peers.iter().find(|(peer, _)| peer.name == name)?;
            Some(Arc::clone(source.get_or_init(|| Arc::new(Source::new(&peer.url, reach(peer))))))
        };
        above.into_iter().filter_map(source).collect()
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match &self.known {
            Known::All(peers, _) => peers.len(),
            Known::Some(sources) => sources.len(),
        };
        f.debug_struct("Peers").field("own", &self.own).field("known", &known).finish_non_exhaustive()
    }
}

/// The nodes above one in the tree of a path, nearest first. Each node is its name and its zone.
fn above<'a>(own: (&'a str, &'a str), peers: impl Iterator<Item = (&'a str, &'a str)>, hash: PathHash) -> Vec<&'a str> {
    let place = |name: &str| Hash::of(format!("{hash} {name}").as_bytes());
    let mut nodes: Vec<(Hash, &str, &str)> = peers.chain([own]).map(|(name, zone)| (place(name), name, zone)).collect();
    nodes.sort_unstable();
    let zone: Vec<&str> = nodes.iter().filter(|node| node.2 == own.1).map(|node| node.1).collect();
    let mut roots: Vec<&str> = Vec::new();
    let mut zones: Vec<&str> = Vec::new();
    for (_, name, zone) in &nodes {
        if !zones.contains(zone) {
            zones.push(zone);
            roots.push(name);
        }
    }
    let mut above = ancestors(&zone, own.0);
    let root = zone.first().copied().unwrap_or(own.0);
    above.extend(ancestors(&roots, root));
    above
}

/// The nodes above one in a tree that is laid out as a heap.
fn ancestors<'a>(nodes: &[&'a str], of: &str) -> Vec<&'a str> {
    let mut above = Vec::new();
    let mut at = nodes.iter().position(|name| *name == of).unwrap_or_default();
    while at > 0 {
        at = (at - 1) / CHILDREN;
        above.extend(nodes.get(at));
    }
    above
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_tree_is_the_same_seen_from_each_node() {
        let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
        let zones = ["a", "b", "c"];
        let nodes: Vec<(&str, &str)> =
            names.iter().enumerate().map(|(n, name)| (name.as_str(), zones[n % 3])).collect();
        let zone_of: HashMap<&str, &str> = nodes.iter().copied().collect();
        for hash in ["q21fflpvcd8pl7zsyj2437gljcpv3g8m", "a14dyi2ck3gzgnlk5718pn8bcrwavq2k"] {
            let hash: PathHash = hash.parse().unwrap();
            let all: HashMap<&str, Vec<&str>> = nodes
                .iter()
                .map(|own| (own.0, above(*own, nodes.iter().copied().filter(|node| node != own), hash)))
                .collect();
            let mut children: HashMap<&str, usize> = HashMap::new();
            let (mut roots, mut across) = (0, 0);
            for (name, above) in &all {
                match above.first() {
                    None => roots += 1,
                    Some(parent) => {
                        // What is above a node's parent is what the parent itself thinks.
                        assert_eq!(above[1..], all[parent][..], "{name}");
                        *children.entry(parent).or_default() += 1;
                        across += usize::from(zone_of[parent] != zone_of[name]);
                    }
                }
                assert!(above.len() <= 5, "{above:?}");
            }
            assert_eq!((roots, across), (1, 2));
            assert!(children.values().all(|children| *children <= CHILDREN + 2));
        }
    }

    #[test]
    fn paths_have_different_trees() {
        let root = |hash: &str| {
            let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
            let hash: PathHash = hash.parse().unwrap();
            *above(("z", ""), names.iter().map(|name| (*name, "")), hash).last().unwrap_or(&"z")
        };
        let hashes = (0..20).map(|n| format!("{n:0>32}"));
        let roots: std::collections::BTreeSet<&str> = hashes.map(|hash| root(&hash)).collect();
        assert!(roots.len() > 3, "{roots:?}");
    }
}
