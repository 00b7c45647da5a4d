//! Nodes that are late, and many that go silent together.

use icefield_api::NodeState;

use crate::declare::web;
use crate::world::World;

fn lost(world: &World) -> Vec<&str> {
    let lost = world.state.nodes.iter().filter(|(_, record)| record.lost);
    lost.map(|(node, _)| node.as_str()).collect()
}

fn cut_off(world: &mut World, nodes: &[&str], connected: bool) {
    for node in nodes {
        world.agents.get_mut(*node).unwrap().connected = connected;
    }
}

fn state(world: &World, node: &str) -> NodeState {
    let status = world.status();
    status.nodes.iter().find(|one| one.name.as_str() == node).unwrap().state
}

#[test]
fn a_suspect_node_keeps_what_it_has_and_gets_nothing_new() {
    let mut world = World::settled(&web(3, "v1", 3));
    let before = world.state.placed.clone();
    cut_off(&mut world, &["n1"], false);
    world.run(700);
    assert_eq!(state(&world, "n1"), NodeState::Suspect);
    assert_eq!(world.state.placed, before);
    world.apply(&web(3, "v1", 12));
    world.run(100);
    assert_eq!(world.state.placed.on_node("n1").count(), before.on_node("n1").count());
    cut_off(&mut world, &["n1"], true);
    world.until(5_000, World::is_settled);
    assert_eq!((state(&world, "n1"), lost(&world)), (NodeState::Ready, vec![]));
}

#[test]
fn agents_that_stand_still_for_a_while_are_not_lost() {
    let mut world = World::settled(&web(3, "v1", 3));
    for round in 0..30 {
        for (at, agent) in world.agents.values_mut().enumerate() {
            agent.paused = world.now + 150 * (round + at as u64) % 500;
        }
        world.run(1_500);
    }
    assert!(!world.messages().iter().any(|message| message.contains("lost")), "{:#?}", world.messages());
}

#[test]
fn slow_heartbeats_take_no_node_away() {
    let mut world = World::settled(&web(3, "v1", 3));
    for delay in (0..=1_000).step_by(100) {
        world.agents.get_mut("n1").unwrap().delay = delay;
        world.run(3_000);
    }
    assert_eq!(lost(&world), [""; 0]);
    world.agents.get_mut("n1").unwrap().lose_power();
    let took = world.until(10_000, |world| world.healthy("web") == 3);
    assert!(took < 4_000 + 1_000, "the longest lease is a bound: {took} ms");
}

#[test]
fn half_of_the_fleet_that_vanishes_is_held_and_returns_without_a_move() {
    let mut world = World::settled(&web(6, "v1", 6));
    let before = world.state.placed.clone();
    cut_off(&mut world, &["n1", "n2", "n3"], false);
    world.run(6_000);
    assert_eq!((lost(&world), &world.state.placed), (vec![], &before));
    let hold = world.status().hold.unwrap();
    assert_eq!(hold.nodes.len(), 3);
    assert_eq!(hold.until - hold.since, 8_000);
    cut_off(&mut world, &["n1", "n2", "n3"], true);
    world.run(2_000);
    assert_eq!((lost(&world), &world.state.placed), (vec![], &before));
    assert_eq!(world.status().hold, None);
}

#[test]
fn half_of_the_fleet_that_stays_away_is_replaced_a_third_at_a_time() {
    let mut world = World::settled(&web(6, "v1", 6));
    cut_off(&mut world, &["n1", "n2", "n3"], false);
    world.until(20_000, |world| !lost(world).is_empty());
    assert_eq!(lost(&world), ["n1", "n2"]);
    world.run(2_500);
    assert_eq!(lost(&world), ["n1", "n2"]);
    world.until(5_000, |world| lost(world).len() == 3);
    world.run(1_000);
    assert!(["n1", "n2", "n3"].iter().all(|node| world.state.placed.on_node(node).count() == 0));
    cut_off(&mut world, &["n1", "n2", "n3"], true);
    world.until(10_000, |world| world.is_settled() && lost(world).is_empty());
}

#[test]
fn another_leader_holds_as_well() {
    let mut world = World::settled(&web(6, "v1", 6));
    cut_off(&mut world, &["n1", "n2", "n3"], false);
    world.run(3_000);
    world.change_leader();
    world.run(6_000);
    assert_eq!(lost(&world), [""; 0]);
    assert!(world.status().hold.is_some());
}

#[test]
fn a_returned_node_gets_nothing_before_it_has_stopped_what_is_not_its_own() {
    let mut world = World::settled(&web(2, "v1", 2));
    cut_off(&mut world, &["n1"], false);
    world.run(5_000);
    assert_eq!(lost(&world), ["n1"]);
    world.apply(&web(2, "v1", 4));
    world.run(2_000);
    cut_off(&mut world, &["n1"], true);
    while lost(&world) == ["n1"] {
        assert_eq!(world.state.placed.on_node("n1").count(), 0);
        world.run(50);
    }
    assert!(world.agents["n1"].processes.is_empty());
    world.until(10_000, World::is_settled);
}
