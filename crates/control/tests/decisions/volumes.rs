//! Replicas that are tied to their node by a folder there.

use icefield_api::NodeAction;
use icefield_control::Command;
use icefield_spec::{Spec, Volume, VolumeSource};

use crate::declare::{name, service, spec, store};
use crate::world::World;

fn databases(nodes: u32, version: &str) -> Spec {
    spec(nodes, &[("web", store(version, 2))])
}

#[test]
fn a_replica_waits_for_its_node() {
    let mut world = World::settled(&databases(3, "v1"));
    let home = world.node_of("web/0").unwrap();
    world.agents.get_mut(home.as_str()).unwrap().lose_power();
    world.until(10_000, |world| world.node_of("web/0").is_none());
    world.run(30_000);
    assert_eq!(world.node_of("web/0"), None, "its data is nowhere else");
    let web = world.status().services.remove(0);
    let message = web.replicas[0].message.clone().unwrap();
    assert!(message.starts_with("fits on no node: ") && message.contains(home.as_str()), "{message}");
    world.agents.get_mut(home.as_str()).unwrap().powered = true;
    world.until(20_000, World::is_settled);
    assert_eq!(world.node_of("web/0"), Some(home));
}

#[test]
fn a_rollout_and_a_drain_leave_it_where_it_is() {
    let mut world = World::settled(&databases(3, "v1"));
    let home = world.node_of("web/1").unwrap();
    world.apply(&databases(3, "v2"));
    world.until(30_000, World::is_settled);
    assert_eq!(world.node_of("web/1").as_ref(), Some(&home));
    world.propose(Command::Node { at: world.now, node: home.clone(), action: NodeAction::Drain });
    world.until(10_000, |world| world.node_of("web/1").is_none());
    world.propose(Command::Node { at: world.now, node: home.clone(), action: NodeAction::Uncordon });
    world.until(10_000, World::is_settled);
    assert_eq!(world.node_of("web/1"), Some(home));
}

#[test]
fn it_starts_anew_elsewhere_once_its_node_is_declared_no_more() {
    let mut world = World::settled(&databases(3, "v1"));
    let home = world.node_of("web/1").unwrap();
    let mut without = databases(3, "v1");
    without.nodes.remove(&home);
    world.apply(&without);
    world.until(20_000, World::is_settled);
    assert!(world.node_of("web/1").is_some_and(|node| node != home));
    let told = format!("web/1: its volumes tie it to {home} no longer: {home} is declared no more");
    assert!(world.messages().contains(&told), "{:#?}", world.messages());
}

/// One database whose data is reached over the network.
fn on_network(nodes: u32) -> Spec {
    let source = VolumeSource::Rbd { pool: "data".into(), image: "db".into(), filesystem: VolumeSource::ext4() };
    let mut db = service("v1", 1);
    db.unit.volumes.insert(name("data"), Volume { size: None, source });
    spec(nodes, &[("web", db)])
}

#[test]
fn a_network_volume_ties_to_no_node_and_goes_on_only_once_the_last_one_has_given_it_up() {
    let mut world = World::settled(&on_network(3));
    let home = world.node_of("web/0").unwrap();
    assert!(world.state.ties.is_empty());
    world.agents.get_mut(home.as_str()).unwrap().connected = false;
    // That no two run at once is held against the model at every step.
    world.until(10_000, |world| world.healthy("web") == 0);
    world.until(20_000, |world| world.healthy("web") == 1);
    assert!(world.node_of("web/0").is_some_and(|node| node != home));
    world.agents.get_mut(home.as_str()).unwrap().connected = true;
    world.until(20_000, World::is_settled);
}
