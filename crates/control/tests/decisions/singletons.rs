//! Services that must not run twice, whatever fails. That they never do is held against the model at every step.

use icefield_api::NodeAction;
use icefield_control::Command;

use crate::declare::{name, singleton, spec};
use crate::world::World;

fn world() -> World {
    World::settled(&spec(3, &[("one", singleton("v1", 1))]))
}

fn holder(world: &World) -> String {
    world.node_of("one/0").unwrap().to_string()
}

/// Whether it is placed on another node.
fn holder_is_not(world: &World, node: &str) -> bool {
    world.node_of("one/0").is_some_and(|holder| holder.as_str() != node)
}

#[test]
fn a_node_that_is_cut_off_stops_it_before_another_starts_it() {
    let mut world = world();
    let first = holder(&world);
    world.agents.get_mut(first.as_str()).unwrap().connected = false;
    world.until(10_000, |world| world.healthy("one") == 0);
    assert_eq!(world.node_of("one/0").map_or(first.clone(), |node| node.to_string()), first, "nobody has it yet");
    let took = world.until(10_000, |world| world.healthy("one") == 1);
    assert!(took < 2_500, "{took} ms");
    assert_ne!(holder(&world), first);
    world.agents.get_mut(first.as_str()).unwrap().connected = true;
    world.until(10_000, World::is_settled);
}

#[test]
fn an_agent_that_stands_still_does_not_keep_it() {
    let mut world = world();
    let first = holder(&world);
    world.agents.get_mut(first.as_str()).unwrap().paused = world.now + 60_000;
    world.until(20_000, |world| world.healthy("one") == 1 && holder_is_not(world, &first));
    world.agents.get_mut(first.as_str()).unwrap().paused = 0;
    world.until(10_000, World::is_settled);
}

#[test]
fn a_short_stall_does_it_no_harm() {
    let mut world = world();
    let first = holder(&world);
    for _ in 0..10 {
        world.agents.get_mut(first.as_str()).unwrap().paused = world.now + 500;
        world.run(2_000);
        assert_eq!((holder(&world), world.healthy("one")), (first.clone(), 1));
    }
    assert!(!world.messages().iter().any(|message| message.contains("given up")));
}

#[test]
fn a_new_leader_waits_for_what_the_one_before_may_have_promised() {
    let mut world = world();
    let first = holder(&world);
    world.run(1_000);
    world.agents.get_mut(first.as_str()).unwrap().connected = false;
    world.change_leader();
    let took = world.until(20_000, |world| world.healthy("one") == 1 && holder_is_not(world, &first));
    assert!(took >= world.config.longest_lease.get(), "{took} ms");
}

#[test]
fn it_moves_by_stopping_first() {
    let mut world = world();
    let first = holder(&world);
    world.propose(Command::Node { at: world.now, node: name(&first), action: NodeAction::Drain });
    world.until(10_000, |world| world.is_settled() && holder_is_not(world, &first));
    let said = format!("one/0: given up by {first}: it has stopped it");
    assert!(world.messages().contains(&said), "{:#?}", world.messages());
}

#[test]
fn what_becomes_a_singleton_does_not_run_twice_either() {
    let mut world = World::settled(&spec(3, &[("one", crate::declare::service("v1", 2))]));
    world.apply(&spec(3, &[("one", singleton("v1", 2))]));
    world.until(20_000, World::is_settled);
    world.apply(&spec(3, &[("one", crate::declare::service("v1", 2))]));
    world.until(20_000, World::is_settled);
}
