//! A better layout is carried out a few moves at a time, and nothing is worse on the way.

use std::collections::BTreeMap;

use icefield_api::NodeAction;
use icefield_control::state::RebalanceStep;
use icefield_control::{Applied, Command};
use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
use icefield_spec::Spec;

use crate::declare::{name, service, spec, web, with_update};
use crate::world::World;

/// Moves each replica to the node.
fn moves(world: &World, to: &[(&str, &str)]) -> Vec<Change> {
    let change = |(text, to): &(&str, &str)| {
        let replica: ReplicaId = text.parse().unwrap();
        let current = world.state.placed.get(&replica).unwrap();
        let to = Assignment { node: name(to), ports: BTreeMap::new(), ..current.clone() };
        let kind = ChangeKind::Move { from: current.node.clone(), to };
        Change { replica, kind, reason: "a better layout".into() }
    };
    to.iter().map(change).collect()
}

fn start(world: &mut World, to: &[(&str, &str)]) {
    let changes = moves(world, to);
    let step = RebalanceStep::Start { seen: world.state.version, changes };
    let applied = world.propose(Command::Rebalance { at: world.now, step });
    assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
    world.fewest = usize::MAX;
}

/// Lets it come to its end, and gives back how that is told.
fn end(world: &mut World) -> String {
    world.until(60_000, |world| world.state.rebalance.is_none());
    let messages = world.messages().into_iter().rev();
    let told = messages.filter_map(|message| message.strip_prefix("rebalance: ").map(str::to_owned)).next();
    world.until(20_000, World::is_settled);
    told.unwrap()
}

/// A service on two of three nodes.
fn crowded(spec: Spec) -> World {
    let mut world = World::new(3);
    // Only once it has joined.
    world.run(1_000);
    world.propose(Command::Node { at: 0, node: name("n3"), action: NodeAction::Cordon });
    world.apply(&spec);
    world.until(60_000, World::is_settled);
    world.propose(Command::Node { at: 0, node: name("n3"), action: NodeAction::Uncordon });
    world
}

const TO_N3: [(&str, &str); 3] = [("web/0", "n3"), ("web/1", "n3"), ("web/2", "n3")];

#[test]
fn moves_no_more_at_once_than_may_be_unavailable() {
    for (allowed, fewest) in [(1, 5), (2, 4), (9, 3)] {
        let mut world = crowded(with_update(web(3, "v1", 6), |max_unavailable, _| *max_unavailable = allowed));
        start(&mut world, &TO_N3);
        assert_eq!(end(&mut world), "done: 3 moves");
        assert_eq!(world.fewest, fewest, "with {allowed} unavailable");
        assert!(TO_N3.iter().all(|(replica, node)| world.node_of(replica) == Some(name(node))));
    }
}

#[test]
fn another_leader_goes_on_with_it() {
    let mut world = crowded(web(3, "v1", 6));
    start(&mut world, &TO_N3);
    world.run(1_700);
    assert!(world.state.rebalance.is_some());
    world.change_leader();
    assert_eq!(end(&mut world), "done: 3 moves");
    assert!(world.fewest >= 5);
}

#[test]
fn full_nodes_swap_at_once_or_not_at_all() {
    let full = || spec(2, &[("api", service("v1", 8)), ("web", service("v1", 8))]);
    let on = |world: &World, service: &str, node: &str| {
        let mut replicas = (0..8).map(|index| format!("{service}/{index}"));
        replicas.find(|replica| world.node_of(replica) == Some(name(node))).unwrap()
    };
    let mut world = World::settled(&full());
    let (api, web) = (on(&world, "api", "n1"), on(&world, "web", "n2"));
    start(&mut world, &[(&api, "n2"), (&web, "n1")]);
    assert_eq!(end(&mut world), "done: 2 moves");
    // Two of one service would both be unavailable.
    let (one, other) = (on(&world, "web", "n1"), on(&world, "web", "n2"));
    start(&mut world, &[(&one, "n2"), (&other, "n1")]);
    let told = end(&mut world);
    assert_eq!(told, "ended with 2 of 2 moves undone: there is no room to move them one after the other");
}

#[test]
fn a_node_that_is_lost_on_the_way_is_not_moved_to() {
    let mut world = crowded(web(3, "v1", 6));
    start(&mut world, &TO_N3);
    world.run(300);
    world.agents.get_mut("n3").unwrap().lose_power();
    let told = end(&mut world);
    assert!(told.starts_with("ended with 2 of 3 moves undone"), "{told}");
    assert!(TO_N3.iter().all(|(replica, node)| world.node_of(replica) != Some(name(node))));
}
