//! Nodes that go silent, and the leader that listens.

use icefield_control::state::NodeRecord;

use crate::declare::{name, web};
use crate::world::World;

fn record<'a>(world: &'a World, node: &str) -> &'a NodeRecord {
    &world.state.nodes[node]
}

#[test]
fn replicas_of_a_node_without_power_run_elsewhere_soon() {
    let mut world = World::settled(&web(3, "v1", 3));
    world.agents.get_mut("n2").unwrap().lose_power();
    let took = world.until(5_000, |world| world.healthy("web") == 3);
    assert!((1_000..3_000).contains(&took), "{took} ms");
    assert!(record(&world, "n2").lost);
    assert!(world.messages().iter().any(|message| message.starts_with("node n2: lost: not heard of for 1")));
}

#[test]
fn a_node_that_was_cut_off_gives_up_what_has_moved() {
    let mut world = World::settled(&web(2, "v1", 2));
    world.agents.get_mut("n1").unwrap().connected = false;
    world.run(5_000);
    assert_eq!(world.healthy("web"), 3, "what is cut off runs on");
    assert_eq!(world.node_of("web/0"), world.node_of("web/1"));
    world.agents.get_mut("n1").unwrap().connected = true;
    world.until(5_000, |world| world.is_settled() && !record(world, "n1").lost);
    assert!(world.messages().contains(&"node n1: returned".to_owned()));
}

#[test]
fn another_leader_takes_no_node_for_lost_and_moves_nothing() {
    let mut world = World::settled(&web(3, "v1", 3));
    let before = world.state.placed.clone();
    world.run(150);
    world.change_leader();
    world.run(5_000);
    assert_eq!(world.state.placed, before);
    assert!(!world.messages().iter().any(|message| message.contains("lost")));
}

#[test]
fn a_leader_that_stalls_blames_no_node() {
    let mut world = World::settled(&web(3, "v1", 3));
    let before = world.state.placed.clone();
    world.stall(20_000);
    world.run(5_000);
    assert_eq!(world.state.placed, before);
    assert!(!world.messages().iter().any(|message| message.contains("lost")));
}

#[test]
fn a_leader_that_takes_long_to_begin_blames_no_node() {
    let mut world = World::settled(&web(3, "v1", 3));
    world.change_leader();
    world.stall(10_000);
    world.run(2_000);
    assert!(!world.messages().iter().any(|message| message.contains("lost")));
}

#[test]
fn a_node_lost_under_one_leader_is_still_lost_under_the_next() {
    let mut world = World::settled(&web(2, "v1", 2));
    world.agents.get_mut("n1").unwrap().lose_power();
    world.until(5_000, |world| record(world, "n1").lost);
    world.change_leader();
    world.run(3_000);
    assert!(record(&world, "n1").lost);
    assert!(world.messages().iter().filter(|message| message.starts_with("node n1: ")).count() == 2);
}

#[test]
fn the_numbers_of_generations_go_on_when_a_node_is_declared_again() {
    let mut world = World::settled(&web(2, "v1", 2));
    world.apply(&web(1, "v1", 2));
    world.until(10_000, World::is_settled);
    assert_eq!(world.agents[&name("n2")].processes.len(), 0);
    let before = record(&world, "n2").generation;
    world.apply(&web(2, "v1", 8));
    world.until(10_000, World::is_settled);
    assert!(record(&world, "n2").generation >= before);
}
