//! Changes to what a service asks for, and to what others say of it.

use icefield_placement::ReplicaId;
use icefield_spec::{Condition, Name, Port};

use super::{amount, of};
use crate::fleet::{Fleet, name};

/// Whether `words` are such a change; then it is done.
pub(super) fn change(fleet: &mut Fleet, replica: &ReplicaId, words: &[&str]) -> bool {
    match *words {
        ["lower", "the", "least", label, "to", least] => condition(fleet, replica, label, |condition| {
            condition.at_least = condition.at_least.map(|_| least.parse().unwrap());
        }),
        ["raise", "the", "most", label, "to", most] => condition(fleet, replica, label, |condition| {
            condition.at_most = condition.at_most.map(|_| most.parse().unwrap());
        }),
        ["lower", what, "to", less, ..] => {
            let demand = of(fleet, replica);
            let amounts = (&mut demand.cpu, &mut demand.memory, &mut demand.resources);
            amount::change(amounts, what, |_| amount::of(what, less));
        }
        ["allow", label] => {
            let (label, value) = label.split_once('=').unwrap();
            condition(fleet, replica, label, |condition| condition.any_of.as_mut().unwrap().push(value.into()));
        }
        ["drop", "require", label] => drop(of(fleet, replica).rules.require.remove(label).unwrap()),
        ["tolerate", ref taints @ ..] => {
            let taints = taints.iter().filter(|word| **word != "and").map(ToString::to_string);
            of(fleet, replica).rules.tolerate.extend(taints);
        }
        ["untie", "it", "from", node] => {
            assert_eq!(of(fleet, replica).ties.remove(&replica.index), Some(name(node)));
        }
        ["drop", "keep_with", other] => {
            let own = fleet.services.get_mut(&replica.service).unwrap().iter_mut();
            own.for_each(|demand| demand.rules.keep_with.retain(|company| company.service.as_str() != other));
        }
        ["drop", "keep_from", other] => apart(fleet, &replica.service, other),
        ["drop", "keep_from", other, "of", owner] => apart(fleet, &name(owner), other),
        ["drop", "keep_from", first, "and", "keep_from", second, "of", owner] => {
            apart(fleet, &replica.service, first);
            apart(fleet, &name(owner), second);
        }
        ["raise", "the", what, "of", "namespace", namespace, "to", more] => {
            let quota = fleet.quotas.get_mut(namespace).unwrap();
            match what {
                "replicas" => quota.replicas = Some(more.parse().unwrap()),
                "cpu" => quota.cpu = Some(more.parse().unwrap()),
                "memory" => quota.memory = Some(more.parse().unwrap()),
                other => *quota.resources.get_mut(other).unwrap() = amount::read(more),
            }
        }
        ["make", "port", port, "dynamic", ..] => {
            let port = Port::Fixed(port.parse().unwrap());
            let mut ports = of(fleet, replica).ports.values_mut();
            *ports.find(|own| **own == port).unwrap() = Port::Dynamic;
        }
        ["ask", "for", "port", port, "under", "one", "name", "only", ref taken @ ..] => {
            if let [.., owner] = taken {
                fleet.placement.remove(&owner.trim_end_matches(')').parse().unwrap());
            }
            let port = Port::Fixed(port.parse().unwrap());
            let mut seen = false;
            of(fleet, replica).ports.retain(|_, own| *own != port || !std::mem::replace(&mut seen, true));
        }
        _ => return false,
    }
    true
}

fn condition(fleet: &mut Fleet, replica: &ReplicaId, label: &str, change: impl FnOnce(&mut Condition)) {
    change(of(fleet, replica).rules.require.get_mut(label).unwrap());
}

/// Drops what `owner` says of keeping from `other`.
fn apart(fleet: &mut Fleet, owner: &Name, other: &str) {
    let demands = fleet.services.get_mut(owner).unwrap().iter_mut();
    demands.for_each(|demand| demand.rules.keep_from.retain(|company| company.service.as_str() != other));
}
