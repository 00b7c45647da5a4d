//! Nodes that are to be empty, and nodes that are to be forgotten. That draining takes no more replicas down than a
//! service can spare is held against the model at every step.

use icefield_api::{NodeAction, RolloutState};
use icefield_control::{Applied, Command};

use crate::declare::{daemon, name, service, spec, store, web};
use crate::world::World;

fn ask(world: &mut World, node: &str, action: NodeAction) -> Applied {
    world.propose(Command::Node { at: world.now, node: name(node), action })
}

#[test]
fn replicas_leave_one_after_the_other() {
    let mut world = World::settled(&web(2, "v1", 8));
    world.fewest = usize::MAX;
    ask(&mut world, "n1", NodeAction::Drain);
    world.until(30_000, |world| world.state.placed.on_node("n1").count() == 0);
    world.until(5_000, World::is_settled);
    assert_eq!(world.fewest, 7);
}

#[test]
fn what_fits_nowhere_else_stays() {
    let mut world = World::settled(&web(2, "v1", 12));
    world.fewest = usize::MAX;
    ask(&mut world, "n1", NodeAction::Drain);
    world.run(30_000);
    assert_eq!(world.healthy("web"), 12);
    assert_eq!(world.state.placed.on_node("n1").count(), 4, "n2 is full");
    assert!(world.fewest >= 11);
}

#[test]
fn what_is_bound_to_its_node_is_stopped_and_comes_back() {
    let services = [("web", service("v1", 3)), ("log", daemon("v1")), ("db", store("v1", 3))];
    let mut world = World::settled(&spec(3, &services));
    ask(&mut world, "n1", NodeAction::Drain);
    world.until(30_000, |world| world.state.placed.on_node("n1").count() == 0);
    world.until(1_000, |world| (world.healthy("log"), world.healthy("db")) == (2, 2));
    ask(&mut world, "n1", NodeAction::Uncordon);
    world.until(10_000, World::is_settled);
}

#[test]
fn what_is_bound_to_its_node_is_stopped_last_and_not_while_it_is_rolled_out() {
    let services = |db: &str| spec(3, &[("web", service("v1", 3)), ("log", daemon("v1")), ("db", store(db, 3))]);
    let mut world = World::settled(&services("v1"));
    world.apply(&services("v2"));
    ask(&mut world, "n1", NodeAction::Drain);
    world.until(60_000, |world| {
        let on_it = || world.state.placed.on_node("n1").map(|(replica, _)| replica.service.as_str());
        let others = on_it().filter(|service| *service == "web").count();
        assert!(others == 0 || on_it().count() == others + 2, "{:#?}", world.summary());
        on_it().count() == 0
    });
    assert_eq!(world.state.services["db"].rollout.state, RolloutState::Done, "{:#?}", world.messages());
    ask(&mut world, "n1", NodeAction::Uncordon);
    world.until(10_000, World::is_settled);
}

#[test]
fn both_nodes_that_drain_share_what_a_service_can_spare() {
    let mut world = World::settled(&web(4, "v1", 8));
    world.fewest = usize::MAX;
    for node in ["n1", "n2"] {
        ask(&mut world, node, NodeAction::Drain);
    }
    let left = |world: &World| ["n1", "n2"].iter().map(|node| world.state.placed.on_node(node).count()).sum::<usize>();
    world.until(30_000, |world| left(world) == 0 && world.is_settled());
    assert_eq!(world.fewest, 7);
}

#[test]
fn a_removed_node_is_forgotten_until_its_agent_is_started_anew() {
    let services = [("web", service("v1", 2)), ("db", store("v1", 2))];
    let mut world = World::settled(&spec(2, &services));
    let number = world.state.nodes["n1"].generation;
    assert!(matches!(ask(&mut world, "n1", NodeAction::Remove), Applied::Refused(_)));
    ask(&mut world, "n1", NodeAction::ForceRemove);
    assert!(matches!(ask(&mut world, "n1", NodeAction::ForceRemove), Applied::Unchanged(_)));
    world.until(10_000, |world| world.healthy("db") >= 2 && world.state.placed.on_node("n2").count() == 4);
    assert!(world.messages().iter().any(|message| message.contains("volumes are given up: they were on n1")));
    world.run(10_000);
    assert!(world.state.nodes["n1"].removed, "the same agent does not join again");
    world.agents.get_mut("n1").unwrap().restart();
    world.until(10_000, World::is_settled);
    assert!(!world.state.nodes["n1"].lost);
    assert!(world.state.nodes["n1"].generation > number);
}
