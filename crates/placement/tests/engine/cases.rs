//! Small fleets of every kind, the absurd among them.

mod demand;
mod host;
mod objective;
mod rules;
mod step;

use icefield_placement::{Assignment, Demand, Placement, ReplicaId};
use icefield_spec::{Name, Quota, Revision};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fleet::{Fleet, name};
pub(crate) use step::{Step, steps};

/// A fleet of up to 12 nodes and 6 services; what runs may be of other services, on other nodes, at other revisions.
pub(crate) fn fleet() -> impl Strategy<Value = Fleet> {
    let hosts = vec(host::host(), 0..=12).prop_map(|hosts| {
        let named = |(at, host)| host::called(name(&format!("n{at}")), host);
        hosts.into_iter().enumerate().map(named).map(|host| (host.name.clone(), host)).collect()
    });
    let services = vec(demands(), 0..=6).prop_map(|services| {
        services.into_iter().enumerate().map(|(at, demands)| (name(&format!("s{at}")), demands)).collect()
    });
    let placement =
        vec((replica(), assignment()), 0..=20).prop_map(|standing| standing.into_iter().collect::<Placement>());
    let quotas = prop_oneof![
        2 => Just(vec![]).boxed(),
        1 => vec((namespace(), quota()), 1..=2).boxed(),
    ];
    let quotas = quotas.prop_map(|quotas| quotas.into_iter().collect());
    (hosts, services, placement, quotas, objective::objective()).prop_map(
        |(hosts, services, placement, quotas, objective)| Fleet { hosts, services, placement, quotas, objective },
    )
}

/// A fleet in which nothing is needed on both nodes of a move: so that what has just been moved is in nobody's way.
pub(crate) fn still_fleet() -> impl Strategy<Value = Fleet> {
    fleet().prop_map(|mut fleet| {
        fleet.objective.transient.clear();
        fleet
    })
}

/// A still fleet in which one that gives way frees no room but on its node. Elsewhere it can free some for one that was
/// tried before, for which others would have to give way in turn: that comes with the next decision.
pub(crate) fn simple_fleet() -> impl Strategy<Value = Fleet> {
    (still_fleet(), any::<bool>()).prop_map(|(mut fleet, priorities)| {
        // What a service's own rules ask for makes no other revision of it give way.
        for demands in fleet.services.values_mut() {
            let first = demands.first().map_or(0, |demand| demand.priority);
            demands.iter_mut().for_each(|demand| demand.priority = first);
        }
        let demands = fleet.services.values_mut().flatten();
        if priorities {
            demands.for_each(|demand| {
                demand.rules.keep_with.clear();
                demand.rules.keep_from.clear();
            });
            fleet.quotas.clear();
        } else {
            demands.for_each(|demand| demand.priority = 0);
        }
        fleet
    })
}

/// What is wanted of one service.
fn demands() -> impl Strategy<Value = Vec<Demand>> {
    vec(demand::demand(), 1..=2).prop_map(|mut demands| {
        // The first demand has the lower indexes, mostly.
        if let [first, second] = &mut demands[..] {
            second.indexes.retain(|index| *index == 3 || !first.indexes.contains(index));
            second.revision = Revision::of("two");
        }
        demands
    })
}

fn replica() -> impl Strategy<Value = ReplicaId> {
    (0..7u8, 0..8u32).prop_map(|(service, index)| ReplicaId::new(name(&format!("s{service}")), index))
}

fn assignment() -> impl Strategy<Value = Assignment> {
    let ports =
        btree_map(select(&["http", "admin", "rpc"][..]).prop_map(name), select(&[101, 102, 103, 8080][..]), 0..=2);
    (node(), select(&["one", "two", "old"][..]), ports).prop_map(|(node, revision, ports)| Assignment {
        node,
        revision: Revision::of(revision),
        ports,
    })
}

fn node() -> impl Strategy<Value = Name> {
    (0..14u8).prop_map(|node| name(&format!("n{node}")))
}

fn namespace() -> impl Strategy<Value = Name> {
    select(&["red", "blue"][..]).prop_map(name)
}

fn quota() -> impl Strategy<Value = Quota> {
    let cpu = select(&[0, 700, 3000][..]).prop_map(icefield_spec::Cpu::from_millis);
    let memory = select(&[0, 1000, 4096][..]).prop_map(|mebibytes| icefield_spec::Bytes::new(mebibytes << 20));
    let resources = prop_oneof![3 => Just(Default::default()), 1 => demand::resources().boxed()];
    (option::of(0..6u32), option::weighted(0.3, cpu), option::weighted(0.3, memory), resources)
        .prop_map(|(replicas, cpu, memory, resources)| Quota { replicas, cpu, memory, resources })
}

/// A name that no node of a case has.
pub(crate) fn other_node() -> Name {
    name("another")
}
