//! Rollouts from one version to another, as a user sees them.

use std::collections::BTreeSet;

use icefield_api::RolloutState;
use icefield_control::Applied;

use crate::declare::{service, spec, unit, web, with_update};
use crate::world::World;

#[test]
fn goes_one_replica_at_a_time() {
    let mut world = World::settled(&web(3, "v1", 4));
    world.fewest = usize::MAX;
    world.apply(&web(3, "v2", 4));
    let took = world.until(60_000, World::is_settled);
    assert_eq!(world.rollout(), RolloutState::Done);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v2").revision()]));
    assert_eq!(world.fewest, 3);
    assert!(took >= 4 * 1_300, "each proves itself before the next: {took} ms");
    assert_eq!(world.state.services["web"].units.len(), 2, "there is a way back");
}

#[test]
fn goes_as_many_at_a_time_as_it_may() {
    let mut world = World::settled(&web(3, "v1", 6));
    world.fewest = usize::MAX;
    world.apply(&with_update(web(3, "v2", 6), |max_unavailable, _| *max_unavailable = 3));
    world.until(60_000, World::is_settled);
    assert_eq!(world.fewest, 3);
    assert_eq!(world.rollout(), RolloutState::Done);
}

#[test]
fn a_version_that_crashes_goes_back_before_its_deadline() {
    let mut world = World::settled(&web(3, "v1", 4));
    world.fewest = usize::MAX;
    world.apply(&web(3, "v2-crash", 4));
    let took = world.until(9_000, |world| world.rollout() == RolloutState::RolledBack);
    assert!(took < 9_000);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v1").revision()]));
    assert_eq!(world.fewest, 3, "one replica was tried and no more");
    let message = &world.state.services["web"].rollout.message;
    assert!(message.starts_with("web/0 ended 3 times on n"), "{message}");
    assert!(message.ends_with(": exit status 1"), "{message}");
    world.until(5_000, World::is_settled);
}

#[test]
fn a_version_that_never_gets_healthy_goes_back_at_its_deadline() {
    let mut world = World::settled(&web(3, "v1", 4));
    world.apply(&web(3, "v2-never", 4));
    world.run(9_000);
    assert_eq!(world.rollout(), RolloutState::Progressing);
    let status = world.status().services.remove(0).rollout.unwrap();
    assert_eq!(status.message, "waits for web/0 (unhealthy)");
    world.until(6_000, |world| world.rollout() == RolloutState::RolledBack);
    let message = &world.state.services["web"].rollout.message;
    assert!(message.contains("did not prove itself within 10s (unhealthy)"), "{message}");
}

#[test]
fn what_failed_is_not_tried_again_by_itself() {
    let mut world = World::settled(&web(3, "v1", 2));
    world.apply(&web(3, "v2-crash", 2));
    world.until(20_000, |world| world.rollout() == RolloutState::RolledBack);
    assert!(matches!(world.apply(&web(3, "v2-crash", 2)), Applied::Unchanged(_)));
    world.run(20_000);
    assert_eq!(world.rollout(), RolloutState::RolledBack);
    world.apply(&web(3, "v3", 2));
    world.until(20_000, World::is_settled);
    assert_eq!(world.rollout(), RolloutState::Done);
}

#[test]
fn stays_where_it_failed_if_it_may_not_go_back() {
    let mut world = World::settled(&web(3, "v1", 3));
    world.apply(&with_update(web(3, "v2-crash", 3), |_, rollback| *rollback = false));
    world.until(20_000, |world| world.rollout() == RolloutState::Failed);
    world.run(20_000);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v1").revision(), unit("v2-crash").revision()]));
    assert_eq!(world.healthy("web"), 2);
}

#[test]
fn a_first_version_that_fails_stays_and_the_next_one_replaces_it_at_once() {
    let mut world = World::new(2);
    world.apply(&web(2, "v1-never", 3));
    world.until(20_000, |world| world.rollout() == RolloutState::Failed);
    assert_eq!(world.healthy("web"), 0);
    world.apply(&web(2, "v2", 3));
    let took = world.until(20_000, World::is_settled);
    assert!(took < 4_000, "there was nothing to spare: {took} ms");
}

#[test]
fn a_first_version_without_room_is_done_once_there_is_some() {
    let mut world = World::new(2);
    world.apply(&web(1, "v1", 12));
    world.until(20_000, |world| world.rollout() == RolloutState::Failed);
    assert_eq!(world.state.services["web"].rollout.message, "web/8 fits on no node");
    world.apply(&web(2, "v1", 12));
    world.until(20_000, |world| world.rollout() == RolloutState::Done);
}

#[test]
fn a_node_lost_on_the_way_is_not_held_against_the_version() {
    let mut world = World::settled(&web(3, "v1", 6));
    world.apply(&web(3, "v2", 6));
    world.run(2_500);
    world.agents.get_mut("n1").unwrap().lose_power();
    world.until(60_000, World::is_settled);
    assert_eq!(world.rollout(), RolloutState::Done);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v2").revision()]));
}

#[test]
fn a_lack_of_room_from_a_lost_node_is_not_held_against_the_version() {
    let mut world = World::settled(&web(2, "v1", 12));
    world.apply(&web(2, "v2", 12));
    world.run(2_500);
    world.agents.get_mut("n1").unwrap().lose_power();
    world.run(60_000);
    assert_eq!(world.rollout(), RolloutState::Progressing);
    world.agents.get_mut("n1").unwrap().powered = true;
    world.until(60_000, World::is_settled);
    assert_eq!(world.rollout(), RolloutState::Done);
}

#[test]
fn a_change_of_leader_on_the_way_changes_nothing() {
    let mut world = World::settled(&web(3, "v1", 4));
    world.fewest = usize::MAX;
    world.apply(&web(3, "v2", 4));
    for _ in 0..6 {
        world.run(900);
        world.change_leader();
    }
    world.until(60_000, World::is_settled);
    assert_eq!((world.rollout(), world.fewest), (RolloutState::Done, 3));
}

#[test]
fn the_time_without_a_leader_is_not_held_against_the_version() {
    let mut world = World::settled(&web(3, "v1", 2));
    world.apply(&web(3, "v2-never", 2));
    world.run(2_000);
    world.now += 30_000;
    world.change_leader();
    world.run(9_000);
    assert_eq!(world.rollout(), RolloutState::Progressing);
    world.run(2_000);
    assert_ne!(world.rollout(), RolloutState::Progressing);
}

#[test]
fn grows_and_shrinks_on_the_way() {
    for replicas in [2, 7] {
        let mut world = World::settled(&web(3, "v1", 4));
        world.apply(&web(3, "v2", 4));
        world.run(2_000);
        world.apply(&web(3, "v2", replicas));
        world.until(60_000, World::is_settled);
        assert_eq!(world.rollout(), RolloutState::Done);
        assert_eq!(world.healthy("web"), replicas as usize);
    }
}

#[test]
fn another_version_on_the_way_takes_over() {
    let mut world = World::settled(&web(3, "v1", 4));
    world.fewest = usize::MAX;
    world.apply(&web(3, "v2", 4));
    world.run(3_000);
    world.apply(&web(3, "v3", 4));
    world.until(60_000, World::is_settled);
    assert_eq!(world.rollout(), RolloutState::Done);
    assert_eq!(world.revisions(), BTreeSet::from([unit("v3").revision()]));
    assert!(world.fewest >= 2, "one of v2 that had yet to prove itself, and one of v3");
    assert_eq!(world.state.services["web"].rollout.from, Some(unit("v1").revision()));
}

#[test]
fn the_version_before_undoes_it_on_the_way() {
    let mut world = World::settled(&web(3, "v1", 4));
    world.apply(&web(3, "v2-never", 4));
    world.run(3_000);
    world.apply(&web(3, "v1", 4));
    let took = world.until(60_000, World::is_settled);
    assert!(took < 3_000, "only what had changed must change back: {took} ms");
    assert_eq!(world.rollout(), RolloutState::Done);
}

#[test]
fn services_roll_out_side_by_side_and_leave_when_they_are_gone() {
    let both = |version| spec(3, &[("web", service(version, 3)), ("api", service(version, 3))]);
    let mut world = World::settled(&both("v1"));
    world.apply(&both("v2"));
    let took = world.until(60_000, World::is_settled);
    assert!(took < 7_000, "{took} ms");
    world.apply(&web(3, "v2", 3));
    world.until(10_000, World::is_settled);
    assert!(!world.state.services.contains_key("api"));
    assert_eq!(world.healthy("api"), 0);
}

#[test]
fn a_driver_that_no_agent_has_fails_it_at_once() {
    let mut world = World::settled(&web(2, "v1", 2));
    let mut next = web(2, "v2-crash", 2);
    let command = vec!["run".to_owned(), "v2-crash".to_owned()];
    next.services.get_mut("web").unwrap().unit.run = icefield_spec::Run::Container { image: "web:2".into(), command };
    world.apply(&next);
    let took = world.until(20_000, |world| world.rollout() == RolloutState::RollingBack);
    assert!(took < 1_500, "{took} ms");
    let message = &world.state.services["web"].rollout.message;
    assert!(message.contains("its agent has no driver for container"), "{message}");
}
