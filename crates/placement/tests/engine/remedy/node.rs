//! Changes to nodes, and to what is on them.

use icefield_placement::{Acceptance, Host};
use icefield_spec::PortRange;

use super::amount;
use crate::cases::other_node;
use crate::fleet::{Fleet, name};

/// Whether `words` are such a change; then it is done.
pub(super) fn change(fleet: &mut Fleet, words: &[&str]) -> bool {
    match *words {
        ["free", "port", _, "on", _, "(used", "by", owner] | ["take", owner, "off", _] => {
            // It may be gone already, if it had two of the ports in question.
            fleet.placement.remove(&owner.trim_end_matches(')').parse().unwrap());
        }
        ["take", "the", "label", label, "off", node] => drop(fleet.host(node).labels.remove(label).unwrap()),
        ["give", node, "the", "label", label] => {
            let (label, value) = label.split_once('=').unwrap();
            fleet.host(node).labels.insert(label.into(), value.into());
        }
        ["give", node, "a", label, "of", "its", "own"] => {
            fleet.host(node).labels.insert(label.into(), "fresh".into());
        }
        ["give", node, count, "more", "dynamic", _] => widen(fleet, node, count.parse().unwrap()),
        ["free", more, what, "on", node] | ["give", node, more, "more", what] => {
            grow(fleet.host(node), what, |before| before + amount::of(what, more));
        }
        ["add", "a", "node", "like", node, ref but @ ..] => {
            let mut host = fleet.host(node).clone();
            (host.name, host.acceptance) = (other_node(), Acceptance::Ready);
            host.labels.insert("node".into(), host.name.to_string());
            match but {
                ["in", "another", label] => {
                    host.labels.insert((*label).into(), "fresh".into());
                }
                ["with", "at", "least", amounts @ ..] => {
                    for least in amounts.split(|word| *word == "and") {
                        let [least, what] = least else { panic!("{words:?} is not understood") };
                        grow(&mut host, what, |_| amount::of(what, least));
                    }
                }
                [] => {}
                _ => return false,
            }
            fleet.add_host(host);
        }
        ["uncordon", node] | ["bring", node, "back"] => fleet.host(node).acceptance = Acceptance::Ready,
        _ => return false,
    }
    true
}

fn grow(host: &mut Host, what: &str, change: impl FnOnce(u64) -> u64) {
    amount::change((&mut host.cpu, &mut host.memory, &mut host.resources), what, change);
}

/// Gives a node a higher range end, until it has `count` more free ports.
fn widen(fleet: &mut Fleet, node: &str, count: usize) {
    let node = name(node);
    let on_node = fleet.placement.iter().filter(|(_, at)| at.node == node);
    let used: Vec<u16> = on_node.flat_map(|(_, at)| at.ports.values().copied().collect::<Vec<_>>()).collect();
    let host = fleet.hosts.get_mut(&node).unwrap();
    let fresh = (host.ports.last() + 1..).filter(|port| !used.contains(port) && ![101, 102, 8080].contains(port));
    host.ports = PortRange::new(host.ports.first(), fresh.take(count).last().unwrap()).unwrap();
}
