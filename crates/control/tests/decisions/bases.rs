//! Nodes that go from one system to the next: in waves, and back if one of them does not do well.

use std::collections::BTreeSet;

use icefield_api::{NodeAction, NodeState, RolloutAction, RolloutPhase, RolloutState, SystemState};
use icefield_control::state::BaseStep;
use icefield_control::{Applied, Command};
use icefield_spec::{Base, Millis, Name, Share, Spec, StorePath, Strategy, Update, Wait};

use crate::declare::{name, web};
use crate::system::system;
use crate::world::World;

fn update() -> Update {
    Update {
        healthy_for: Millis::new(1_000),
        deadline: Millis::new(10_000),
        max_unavailable: 2,
        ..Base::default().update()
    }
}

/// Nodes of two zones, `web` on them, and a base with a system of this version.
fn fleet(nodes: u32, version: &str, update: Update) -> Spec {
    let mut spec = web(nodes, "v1", nodes);
    let base = Base { system: Some(system(version)), update: Some(update), ..Base::default() };
    spec.bases.insert(name("std"), base);
    for (number, node) in spec.nodes.values_mut().enumerate() {
        node.machine.base = Some(name("std"));
        let zone = if number % 2 == 0 { "a" } else { "b" };
        node.machine.labels.insert("zone".into(), zone.into());
    }
    spec
}

fn rollout(world: &World) -> RolloutState {
    world.state.bases["std"].rollout.state
}

/// The nodes that are on their way, and that no more are than may be, all of one zone.
fn open(world: &World, most: usize) -> BTreeSet<Name> {
    let open = world.agents.iter().filter(|(_, agent)| agent.system.as_ref().is_some_and(|system| system.is_open()));
    let open: BTreeSet<Name> = open.map(|(node, _)| node.clone()).collect();
    let zone = |node: &Name| world.state.spec.as_ref().unwrap().nodes[node].machine.labels["zone"].clone();
    let zones: BTreeSet<String> = open.iter().map(zone).collect();
    assert!(open.len() <= most && zones.len() <= 1, "{open:?} at once: {:#?}", world.summary());
    open
}

fn running(world: &World) -> BTreeSet<String> {
    let running = world.agents.values().filter_map(|agent| agent.system.as_ref()?.report.running.clone());
    running.map(|path| path.as_str().rsplit('-').next().unwrap().to_owned()).collect()
}

/// A cluster whose nodes all run that version.
fn settled(nodes: u32, version: &str) -> World {
    let mut world = World::new(nodes);
    for agent in world.agents.values_mut() {
        agent.system = Some(Default::default());
    }
    world.apply(&fleet(nodes, version, update()));
    world.until(120_000, |world| rollout(world) == RolloutState::Done && world.is_settled());
    assert_eq!(running(&world), BTreeSet::from([version.to_owned()]));
    world
}

/// Lets the rollout of the base come to its end; gives back how many nodes were on their way at once.
fn follow(world: &mut World, most: usize) -> usize {
    let seen = std::cell::Cell::new(0);
    world.until(300_000, |world| {
        seen.set(seen.get().max(open(world, most).len()));
        !world.state.bases["std"].rollout.is_under_way()
    });
    seen.get()
}

#[test]
fn one_node_first_and_then_zone_by_zone() {
    let mut world = settled(6, "v1");
    world.apply(&fleet(6, "v2", update()));
    world.until(5_000, |world| open(world, 1).len() == 1);
    world.until(30_000, |world| {
        open(world, 1).is_empty() || world.state.bases["std"].rollout.phase == RolloutPhase::Rolling
    });
    assert_eq!(follow(&mut world, 2), 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v2".to_owned()])));
    let history = &world.state.systems[&name("n1")];
    let outcomes: Vec<_> = history.iter().map(|entry| (entry.system.clone(), entry.outcome)).collect();
    assert_eq!(outcomes, [(system("v1"), SystemState::Active), (system("v2"), SystemState::Active)]);
    assert!(world.messages().contains(&format!("base std: rollout done: 6 nodes with {}", system("v2").short())));
}

#[test]
fn a_node_that_goes_back_has_all_go_back() {
    let mut world = settled(4, "v1");
    let generations: Vec<u64> = world.state.nodes.values().map(|record| record.generation).collect();
    world.apply(&fleet(4, "bad", update()));
    follow(&mut world, 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::RolledBack, BTreeSet::from(["v1".to_owned()])));
    let touched = world.state.nodes.values().zip(generations).filter(|(record, before)| record.generation > *before);
    assert_eq!(touched.count(), 1, "only the first was asked");
    let status = world.status().bases.remove(0);
    assert_eq!(status.rollout.message, "n1 went back by itself: no server answers");
    // The same again is not tried again by itself.
    world.run(30_000);
    assert_eq!(rollout(&world), RolloutState::RolledBack);
    world.apply(&fleet(4, "v2", update()));
    follow(&mut world, 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v2".to_owned()])));
}

#[test]
fn a_leader_whose_clock_is_ahead_gives_nodes_their_time_anew() {
    let mut world = settled(4, "v1");
    world.apply(&fleet(4, "v2", update()));
    world.until(5_000, |world| open(world, 1).len() == 1);
    world.now += 300_000;
    world.change_leader();
    follow(&mut world, 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v2".to_owned()])));
}

#[test]
fn without_a_way_back_it_stops_where_it_is() {
    let mut world = settled(4, "v1");
    world.apply(&fleet(4, "bad", Update { rollback: false, ..update() }));
    follow(&mut world, 2);
    world.run(20_000);
    assert_eq!(rollout(&world), RolloutState::Failed);
    let states: Vec<_> = world.agents.values().map(|agent| agent.system.as_ref().unwrap().report.state).collect();
    assert_eq!(states.iter().filter(|state| **state == SystemState::RolledBack).count(), 1);
}

#[test]
fn what_takes_too_long_has_failed() {
    let mut world = settled(2, "v1");
    world.apply(&fleet(2, "stuck", update()));
    follow(&mut world, 1);
    assert_eq!(rollout(&world), RolloutState::RolledBack);
    let message = &world.state.bases["std"].rollout.message;
    assert_eq!(message, "n1 did not prove itself within 20s (fetching)");
}

#[test]
fn a_node_is_drained_for_its_restart_and_takes_replicas_after() {
    let mut world = settled(4, "v1");
    world.fewest = usize::MAX;
    world.apply(&fleet(4, "kernel-2", Update { max_unavailable: 1, ..update() }));
    let drained = std::cell::Cell::new(false);
    world.until(300_000, |world| {
        for (node, agent) in &world.agents {
            let state = agent.system.as_ref().unwrap().report.state;
            let on_it = agent.processes.len();
            assert!(state != SystemState::Rebooting || on_it == 0, "{node} restarts under {on_it} replicas");
            drained.set(drained.get() || world.state.nodes[node].draining);
        }
        open(world, 1);
        !world.state.bases["std"].rollout.is_under_way()
    });
    assert_eq!((rollout(&world), drained.get()), (RolloutState::Done, true));
    assert!(world.state.nodes.values().all(|record| !record.draining));
    assert!(world.fewest >= 3, "never fewer than the service can spare: {}", world.fewest);
    world.until(30_000, World::is_settled);
}

#[test]
fn a_drain_of_an_operator_stays() {
    let mut world = settled(3, "v1");
    world.propose(Command::Node { at: world.now, node: name("n2"), action: NodeAction::Drain });
    world.apply(&fleet(3, "kernel-2", update()));
    follow(&mut world, 1);
    assert_eq!(rollout(&world), RolloutState::Done);
    assert!(world.state.nodes[&name("n2")].draining && !world.state.nodes[&name("n1")].draining);
}

#[test]
fn a_node_that_is_lost_on_its_way_fails_and_one_that_is_lost_before_follows_later() {
    let mut world = settled(4, "v1");
    world.agents.get_mut(&name("n4")).unwrap().lose_power();
    world.run(5_000);
    assert!(world.state.nodes[&name("n4")].lost);
    world.apply(&fleet(4, "v2", update()));
    follow(&mut world, 2);
    assert_eq!(rollout(&world), RolloutState::Done);
    world.agents.get_mut(&name("n4")).unwrap().powered = true;
    world.until(30_000, |world| running(world) == BTreeSet::from(["v2".to_owned()]) && open(world, 1).is_empty());

    world.apply(&fleet(4, "v3", update()));
    world.until(10_000, |world| !open(world, 1).is_empty());
    let first = open(&world, 1).pop_first().unwrap();
    world.agents.get_mut(&first).unwrap().lose_power();
    world.until(60_000, |world| {
        rollout(world) == RolloutState::RollingBack || rollout(world) == RolloutState::RolledBack
    });
    assert!(world.state.bases["std"].rollout.message.starts_with(&format!("{first} did not prove itself")));
    world.agents.get_mut(&first).unwrap().powered = true;
    world.until(120_000, |world| running(world) == BTreeSet::from(["v2".to_owned()]));
}

#[test]
fn a_node_that_went_silent_on_its_way_to_another_system_counts_until_it_is_back() {
    let mut world = settled(4, "v1");
    let one = Update { max_unavailable: 1, ..update() };
    world.apply(&fleet(4, "v2", one.clone()));
    world.until(10_000, |world| !open(world, 1).is_empty());
    let first = open(&world, 1).pop_first().unwrap();
    world.agents.get_mut(&first).unwrap().connected = false;
    let is_suspect = |world: &World| {
        let nodes = world.status().nodes;
        nodes.iter().any(|node| node.name == first && node.state == NodeState::Suspect)
    };
    world.until(10_000, is_suspect);
    world.apply(&fleet(4, "v3", one));
    world.run(300);
    assert!(is_suspect(&world));
    let others: Vec<_> = open(&world, 1).into_iter().filter(|node| *node != first).collect();
    assert!(others.is_empty(), "nobody else is asked meanwhile: {others:?}");
    world.agents.get_mut(&first).unwrap().connected = true;
    follow(&mut world, 1);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v3".to_owned()])));
}

#[test]
fn a_node_that_is_to_take_replicas_again_is_not_restarted_under_them() {
    let mut world = settled(3, "v1");
    world.apply(&fleet(3, "kernel-2", Update { max_unavailable: 1, ..update() }));
    world.until(30_000, |world| world.state.nodes.values().any(|record| record.draining));
    let node = world.state.nodes.iter().find(|(_, record)| record.draining).map(|(node, _)| node.clone()).unwrap();
    world.propose(Command::Node { at: world.now, node: node.clone(), action: NodeAction::Uncordon });
    world.until(120_000, |world| {
        let agent = &world.agents[&node];
        let restarts = agent.system.as_ref().unwrap().report.state == SystemState::Rebooting;
        assert!(!restarts || agent.processes.is_empty(), "{:#?}", world.summary());
        !world.state.bases["std"].rollout.is_under_way()
    });
    assert_eq!(rollout(&world), RolloutState::RolledBack);
}

#[test]
fn agents_that_activate_no_systems_are_passed_over() {
    let mut world = World::new(2);
    world.apply(&fleet(2, "v1", update()));
    world.until(60_000, |world| rollout(world) == RolloutState::Done);
    let status = world.status().bases.remove(0);
    assert_eq!((status.desired, status.updated, status.unable), (0, 0, 2));
    assert!(status.rollout.message.contains("activate no systems"), "{}", status.rollout.message);
    assert_eq!(world.state.bases["std"].good, None, "nothing has proved it");
}

#[test]
fn a_person_steers_it() {
    let mut world = settled(4, "v1");
    let kind = Strategy::Canary { share: Share::Count(1), wait: Wait::Confirm };
    world.apply(&fleet(4, "v2", Update { kind, ..update() }));
    let steer = |world: &mut World, action| {
        let step = BaseStep::Steer { action };
        world.propose(Command::Base { at: world.now, base: name("std"), to: None, seen: None, step })
    };
    assert!(matches!(steer(&mut world, RolloutAction::Confirm), Applied::Refused(_)));
    world.until(30_000, |world| world.state.bases["std"].rollout.phase == RolloutPhase::Held);
    world.run(30_000);
    assert_eq!(running(&world).len(), 2, "it waits for someone");
    assert!(world.status().bases[0].rollout.message.contains("icefield rollout confirm base/std"));
    steer(&mut world, RolloutAction::Pause);
    steer(&mut world, RolloutAction::Confirm);
    world.run(10_000);
    assert_eq!(running(&world).len(), 2);
    steer(&mut world, RolloutAction::Resume);
    follow(&mut world, 2);
    assert_eq!(running(&world), BTreeSet::from(["v2".to_owned()]));
    assert!(matches!(steer(&mut world, RolloutAction::Undo), Applied::Done(_)));
    follow(&mut world, 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::RolledBack, BTreeSet::from(["v1".to_owned()])));
}

#[test]
fn one_node_goes_back_alone_and_stays_there() {
    let mut world = settled(2, "v1");
    let back = |world: &mut World| {
        world.propose(Command::Node { at: world.now, node: name("n1"), action: NodeAction::Rollback })
    };
    assert!(matches!(back(&mut world), Applied::Refused(why) if why.contains("has run no other system well")));
    world.apply(&fleet(2, "v2", update()));
    follow(&mut world, 1);
    assert!(matches!(back(&mut world), Applied::Done(_)));
    world.run(30_000);
    assert_eq!(running(&world), BTreeSet::from(["v1".to_owned(), "v2".to_owned()]));
    assert_eq!(rollout(&world), RolloutState::Done);
    world.apply(&fleet(2, "v3", update()));
    follow(&mut world, 1);
    assert_eq!(running(&world), BTreeSet::from(["v3".to_owned()]));
    // What the base itself has gone back from, no node goes back to.
    let step = BaseStep::Steer { action: RolloutAction::Undo };
    world.propose(Command::Base { at: world.now, base: name("std"), to: None, seen: None, step });
    follow(&mut world, 1);
    assert_eq!(running(&world), BTreeSet::from(["v2".to_owned()]));
    assert!(matches!(back(&mut world), Applied::Done(_)));
    world.run(30_000);
    assert_eq!(running(&world), BTreeSet::from(["v1".to_owned(), "v2".to_owned()]));
}

#[test]
fn another_leader_goes_on() {
    let mut world = settled(6, "v1");
    world.apply(&fleet(6, "v2", update()));
    for _ in 0..20 {
        world.run(900);
        open(&world, 2);
        world.change_leader();
    }
    follow(&mut world, 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v2".to_owned()])));
}

#[test]
fn a_zone_whose_node_was_not_heard_of_is_waited_for() {
    let only_first = |version: &str| {
        let mut spec = fleet(6, version, update());
        for (node, declared) in &mut spec.nodes {
            let zone = if node.as_str() == "n1" { "a" } else { "b" };
            declared.machine.labels.insert("zone".into(), zone.into());
        }
        spec
    };
    let mut world = settled(6, "v1");
    world.apply(&only_first("v1"));
    world.agents.get_mut("n1").unwrap().connected = false;
    world.change_leader();
    world.apply(&only_first("v2"));
    let asked = |world: &World| -> Vec<Name> {
        let nodes = world.state.bases["std"].nodes.iter().filter(|(_, asked)| asked.system == system("v2"));
        nodes.map(|(node, _)| node.clone()).collect()
    };
    world.run(800);
    assert!(asked(&world).is_empty() && !world.state.nodes["n1"].lost, "{:#?}", world.summary());
    // Once it is lost it is left out, and follows when it is back.
    world.until(5_000, |world| asked(world) == [name("n2")]);
    assert!(world.state.nodes["n1"].lost);
    world.agents.get_mut("n1").unwrap().connected = true;
    follow(&mut world, 2);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v2".to_owned()])));
}

/// The system that a node was asked for.
fn asked(world: &World, node: &str) -> StorePath {
    world.state.bases["std"].nodes[node].system.clone()
}

fn is_open(world: &World, node: &str) -> bool {
    world.agents[node].system.as_ref().unwrap().is_open()
}

/// A cluster with two nodes on their way: `n1`, which was lost and is back, and another one, which was asked for `second`
/// meanwhile; and which that is.
fn two_on_their_way(second: &str) -> (World, &'static str) {
    let mut world = settled(6, "v1");
    world.apply(&fleet(6, "stuck", update()));
    world.until(5_000, |world| asked(world, "n1") == system("stuck"));
    world.run(1_000);
    world.agents.get_mut("n1").unwrap().connected = false;
    world.until(10_000, |world| world.state.nodes["n1"].lost);
    world.apply(&fleet(6, second, update()));
    let others = || ["n2", "n3", "n4", "n5", "n6"].into_iter();
    world.until(20_000, |world| others().any(|node| is_open(world, node)));
    world.agents.get_mut("n1").unwrap().connected = true;
    world.until(5_000, |world| !world.state.nodes["n1"].lost);
    let other = others().find(|node| is_open(&world, node)).unwrap();
    (world, other)
}

#[test]
fn nodes_of_two_zones_that_are_on_their_way_come_to_their_end_first() {
    let (mut world, other) = two_on_their_way("v2");
    // Of another zone, or the same: both together are more than a trial has.
    world.apply(&fleet(6, "v3", Update { max_unavailable: 1, ..update() }));
    world.until(20_000, |world| {
        let is_over = !is_open(world, other);
        assert!(is_over || asked(world, "n1") == system("stuck"), "{:#?}", world.summary());
        is_over
    });
    follow(&mut world, 1);
    assert_eq!((rollout(&world), running(&world)), (RolloutState::Done, BTreeSet::from(["v3".to_owned()])));
}

#[test]
fn nodes_of_two_zones_that_never_come_to_their_end_are_asked_anew() {
    let (mut world, _) = two_on_their_way("stuck-2");
    world.apply(&fleet(6, "v3", update()));
    world.until(120_000, |world| rollout(world) == RolloutState::Done);
    assert_eq!(running(&world), BTreeSet::from(["v3".to_owned()]));
}

#[test]
fn a_step_that_was_decided_before_the_base_changed_is_refused() {
    let mut world = settled(4, "v1");
    let before = world.state.version;
    world.apply(&fleet(4, "v2", update()));
    let mut proceed = |seen: u64| {
        let step = BaseStep::Proceed;
        world.propose(Command::Base { at: world.now, base: name("std"), to: None, seen: Some(seen), step })
    };
    let Applied::Refused(reason) = proceed(before) else { panic!("it was done") };
    assert!(reason.contains("decide again"), "{reason}");
    assert!(matches!(proceed(u64::MAX), Applied::Done(_)));
}
