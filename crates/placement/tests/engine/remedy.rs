//! Reads a fix as a person would, and carries it out.

use icefield_placement::{Acceptance, ReplicaId};
use icefield_spec::{Bytes, Cpu, Port, PortRange, Spread};

use crate::cases::other_node;
use crate::fleet::{Fleet, name};

/// The fleets that come of carrying out `fix`, which was given for `replica`: one for each way that it names.
pub(crate) fn carry_out(fleet: &Fleet, replica: &ReplicaId, fix: &str) -> Vec<Fleet> {
    let parts: Vec<&str> = fix.split(", and also ").collect();
    if let [one] = parts[..] {
        let ways = one.split(", or ").flat_map(|way| match way.split_once(" or make it dynamic") {
            Some((free, _)) => {
                let port = free.strip_prefix("free port ").unwrap().split_once(' ').unwrap().0;
                vec![free.to_owned(), format!("make port {port} dynamic")]
            }
            None => vec![way.to_owned()],
        });
        return ways.map(|way| changed(fleet, replica, &way)).collect();
    }
    vec![parts.into_iter().fold(fleet.clone(), |fleet, part| {
        let first = part.split(" or make it").next().unwrap();
        changed(&fleet, replica, first)
    })]
}

fn changed(fleet: &Fleet, replica: &ReplicaId, fix: &str) -> Fleet {
    let mut fleet = fleet.clone();
    let (fix, raise) = match fix.split_once(" and raise max of spread ") {
        Some((fix, raise)) => (fix, Some(raise)),
        None => (fix, fix.strip_prefix("raise max of spread ")),
    };
    if let Some((label, max)) = raise.and_then(|raise| raise.split_once(" to ")) {
        let max = max.parse().unwrap();
        limits(&mut fleet, replica, |spread| {
            if spread.label == label {
                spread.max = spread.max.map(|old| old.max(max));
            }
        });
    }
    let words: Vec<&str> = fix.split(' ').collect();
    match words[..] {
        ["raise", "max", "of", "spread", ..] => {}
        ["lower", "cpu", "to", cpu, ..] => of(&mut fleet, replica).cpu = cpu.parse().unwrap(),
        ["lower", "memory", "to", memory, ..] => of(&mut fleet, replica).memory = memory.parse().unwrap(),
        ["free", "port", _, "on", _, "(used", "by", owner] | ["take", owner, "off", _] => {
            // It may be gone already, if it had two of the ports in question.
            fleet.placement.remove(&owner.trim_end_matches(')').parse().unwrap());
        }
        ["free", amount, what, "on", node] | ["give", node, amount, "more", what @ ("cpu" | "memory")] => {
            let host = fleet.host(node);
            match what {
                "cpu" => host.cpu = Cpu::from_millis(host.cpu.millis() + amount.parse::<Cpu>().unwrap().millis()),
                _ => host.memory = Bytes::new(host.memory.get() + amount.parse::<Bytes>().unwrap().get()),
            }
        }
        ["add", "a", "node", "like", node, ..] => {
            let mut host = fleet.host(node).clone();
            (host.name, host.acceptance) = (other_node(), Acceptance::Ready);
            host.labels.insert("node".into(), host.name.to_string());
            match words[5..] {
                ["in", "another", label] => {
                    host.labels.insert(label.into(), "fresh".into());
                }
                ["with", "at", "least", cpu, "cpu"] => host.cpu = cpu.parse().unwrap(),
                ["with", "at", "least", memory, "memory"] => host.memory = memory.parse().unwrap(),
                ["with", "at", "least", cpu, "cpu", "and", memory, "memory"] => {
                    (host.cpu, host.memory) = (cpu.parse().unwrap(), memory.parse().unwrap());
                }
                [] => {}
                _ => panic!("{fix:?} is not understood"),
            }
            fleet.add_host(host);
        }
        ["give", node, "the", "label", label] => {
            let (label, value) = label.split_once('=').unwrap();
            fleet.host(node).labels.insert(label.into(), value.into());
        }
        ["give", node, "a", label, "of", "its", "own"] => {
            fleet.host(node).labels.insert(label.into(), "fresh".into());
        }
        ["give", node, count, "more", "dynamic", _] => widen(&mut fleet, node, count.parse().unwrap()),
        ["allow", label] => {
            let (label, value) = label.split_once('=').unwrap();
            of(&mut fleet, replica).rules.require.get_mut(label).unwrap().any_of.as_mut().unwrap().push(value.into());
        }
        ["drop", "require", label, ..] => {
            of(&mut fleet, replica).rules.require.remove(label).unwrap();
            if words.len() > 3 {
                assert!(fix.ends_with(&format!(" and the max of spread {label}")), "{fix:?}");
                drop_max(&mut fleet, replica, label);
            }
        }
        ["drop", "the", "max", "of", "spread", label] => drop_max(&mut fleet, replica, label),
        ["uncordon", node] | ["bring", node, "back"] => fleet.host(node).acceptance = Acceptance::Ready,
        ["make", "port", port, "dynamic", ..] => {
            let port = Port::Fixed(port.parse().unwrap());
            let mut ports = of(&mut fleet, replica).ports.values_mut();
            *ports.find(|own| **own == port).unwrap() = Port::Dynamic;
        }
        ["ask", "for", "port", port, "under", "one", "name", "only", ref taken @ ..] => {
            if let [.., owner] = taken {
                fleet.placement.remove(&owner.trim_end_matches(')').parse().unwrap());
            }
            let port = Port::Fixed(port.parse().unwrap());
            let mut seen = false;
            of(&mut fleet, replica).ports.retain(|_, own| *own != port || !std::mem::replace(&mut seen, true));
        }
        _ => panic!("{fix:?} is not understood"),
    }
    fleet
}

fn of<'a>(fleet: &'a mut Fleet, replica: &ReplicaId) -> &'a mut icefield_placement::Demand {
    let demands = fleet.services.get_mut(&replica.service).unwrap();
    demands.iter_mut().find(|demand| demand.indexes.contains(&replica.index)).unwrap()
}

fn limits(fleet: &mut Fleet, replica: &ReplicaId, mut change: impl FnMut(&mut Spread)) {
    let demands = fleet.services.get_mut(&replica.service).unwrap();
    demands.iter_mut().flat_map(|demand| &mut demand.rules.spread).for_each(&mut change);
}

fn drop_max(fleet: &mut Fleet, replica: &ReplicaId, label: &str) {
    limits(fleet, replica, |spread| {
        if spread.label == label {
            spread.max = None;
        }
    });
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
