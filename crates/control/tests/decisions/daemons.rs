//! Services that run on every node.

use std::collections::BTreeSet;

use icefield_api::NodeAction;
use icefield_control::Command;
use icefield_spec::Spec;

use crate::declare::{daemon, name, spec, unit};
use crate::world::World;

fn log(nodes: u32, version: &str) -> Spec {
    spec(nodes, &[("web", daemon(version))])
}

#[test]
fn a_new_node_gets_one_and_a_lost_one_is_not_waited_for() {
    let mut world = World::new(4);
    world.apply(&log(3, "v1"));
    world.until(20_000, World::is_settled);
    assert_eq!(world.healthy("web"), 3);
    assert!(world.messages().iter().any(|message| message.contains("rollout done: 3 replicas at revision")));
    world.apply(&log(4, "v1"));
    world.until(20_000, World::is_settled);
    assert_eq!(world.healthy("web"), 4);
    world.agents.get_mut("n2").unwrap().lose_power();
    world.until(20_000, |world| world.status().services[0].desired == 3 && world.is_settled());
    assert_eq!(world.healthy("web"), 3);
    world.agents.get_mut("n2").unwrap().powered = true;
    world.until(20_000, |world| world.status().services[0].desired == 4 && world.is_settled());
    let web = world.status().services.remove(0);
    assert_eq!((web.daemon, web.replicas.len()), (true, 4));
}

#[test]
fn rolls_out_one_at_a_time_and_takes_new_nodes_along() {
    let mut world = World::new(5);
    world.apply(&log(4, "v1"));
    world.until(20_000, World::is_settled);
    world.fewest = usize::MAX;
    world.apply(&log(4, "v2"));
    world.run(2_500);
    world.apply(&log(5, "v2"));
    world.until(60_000, World::is_settled);
    assert!(world.fewest >= 3, "{} at once", world.fewest);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v2").revision()]));
    assert_eq!(world.healthy("web"), 5);
}

#[test]
fn a_node_that_drains_on_the_way_is_left_out() {
    let mut world = World::new(4);
    world.apply(&log(4, "v1"));
    world.until(20_000, World::is_settled);
    world.apply(&log(4, "v2"));
    world.run(1_500);
    world.propose(Command::Node { at: world.now, node: name("n4"), action: NodeAction::Drain });
    world.until(60_000, World::is_settled);
    assert_eq!((world.healthy("web"), world.node_of("web/3")), (3, None));
}

#[test]
fn goes_back_if_the_version_fails() {
    let mut world = World::new(3);
    world.apply(&log(3, "v1"));
    world.until(20_000, World::is_settled);
    world.apply(&log(3, "v2-crash"));
    world.until(60_000, |world| world.messages().iter().any(|message| message.contains("rolled back: 3 replicas")));
    world.until(20_000, World::is_settled);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v1").revision()]));
}

#[test]
fn what_is_only_seen_makes_nothing_be_placed_anew() {
    let mut world = World::new(3);
    world.apply(&log(3, "v1"));
    world.until(20_000, World::is_settled);
    let decisions = world.decisions();
    for _ in 0..20 {
        world.run(500);
        let now = world.now;
        world.agents.get_mut("n1").unwrap().processes.values_mut().for_each(|process| process.crash(now));
    }
    assert_eq!(world.decisions(), decisions, "neither heartbeats nor crashes are a reason");
}
