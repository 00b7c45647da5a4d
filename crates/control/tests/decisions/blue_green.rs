//! Rollouts that start all of the new version beside the old one.

use icefield_api::{RolloutAction, RolloutPhase, RolloutState};
use icefield_spec::Wait;

use crate::declare::{AT_ONCE, blue_green, only};
use crate::world::World;

#[test]
fn blue_and_green_switch_in_one_step() {
    let mut world = World::settled(&blue_green("v1", AT_ONCE, 2_000));
    let mut expected = (0..4).collect::<Vec<u32>>();
    for version in ["v2", "v3"] {
        world.count_anew();
        let before = world.known_revisions();
        world.apply(&blue_green(version, AT_ONCE, 2_000));
        while world.phase() != RolloutPhase::Switched {
            assert_eq!(world.known_revisions(), before, "nobody is sent to the new ones yet");
            world.run(50);
        }
        assert_eq!((world.known_revisions(), world.placed()), (only(version), 8));
        let switched = world.now;
        world.until(20_000, World::is_settled);
        assert!(world.now - switched >= 2_000, "the old ones run on for a while");
        assert_eq!((world.rollout(), world.fewest_known, world.most_placed), (RolloutState::Done, 4, 8));
        expected = if expected[0] == 0 { (4..8).collect() } else { (0..4).collect() };
        assert_eq!(world.state.services["web"].own(4), expected);
    }
    assert_eq!(world.state.services["web"].own, None);
}

#[test]
fn green_that_fails_is_dropped_and_nobody_has_seen_it() {
    for bad in ["v2-crash", "v2-never"] {
        let mut world = World::settled(&blue_green("v1", AT_ONCE, 2_000));
        world.count_anew();
        world.apply(&blue_green(bad, AT_ONCE, 2_000));
        world.until(20_000, World::is_rolled_back);
        world.until(2_000, World::is_settled);
        assert_eq!((world.fewest, world.fewest_known, world.revisions()), (4, 4, only("v1")));
    }
}

#[test]
fn what_fails_after_the_switch_is_switched_back() {
    let mut world = World::settled(&blue_green("v1", AT_ONCE, 60_000));
    world.apply(&blue_green("v2", AT_ONCE, 60_000));
    world.until(20_000, |world| world.phase() == RolloutPhase::Switched);
    world.run(5_000);
    world.count_anew();
    world.steer(RolloutAction::Undo);
    world.until(1_000, World::is_rolled_back);
    assert_eq!(world.known_revisions(), only("v1"));
    world.until(2_000, World::is_settled);
    assert!(world.fewest_known >= 4);
}

#[test]
fn what_an_undone_rollout_left_serving_goes_before_green_comes() {
    let of_two = |version: &str| {
        let mut spec = blue_green(version, AT_ONCE, 60_000);
        spec.services.get_mut("web").unwrap().replicas = 2;
        spec
    };
    let mut world = World::settled(&of_two("v1"));
    world.apply(&of_two("v2"));
    world.until(20_000, |world| world.phase() == RolloutPhase::Switched);
    // Of the four that are wanted now, two of v1 have yet to start when it is gone back to.
    world.apply(&blue_green("v2", AT_ONCE, 60_000));
    world.run(3_000);
    world.steer(RolloutAction::Undo);
    world.apply(&blue_green("v3", AT_ONCE, 2_000));
    world.count_anew();
    world.until(60_000, World::is_settled);
    assert_eq!((world.rollout(), world.revisions()), (RolloutState::Done, only("v3")));
    assert!(world.most_placed <= 8 && world.fewest_known >= 4, "{} {}", world.most_placed, world.fewest_known);
}

#[test]
fn green_waits_for_a_person() {
    let mut world = World::settled(&blue_green("v1", Wait::Confirm, 0));
    world.apply(&blue_green("v2", Wait::Confirm, 0));
    world.until(20_000, |world| world.phase() == RolloutPhase::Held);
    world.run(60_000);
    assert_eq!((world.known_revisions(), world.placed()), (only("v1"), 8));
    world.steer(RolloutAction::Confirm);
    world.until(10_000, World::is_settled);
    assert_eq!(world.revisions(), only("v2"));
}

#[test]
fn another_version_takes_the_place_of_green() {
    let mut world = World::settled(&blue_green("v1", Wait::Confirm, 0));
    world.count_anew();
    world.apply(&blue_green("v2", Wait::Confirm, 0));
    world.until(20_000, |world| world.phase() == RolloutPhase::Held);
    world.apply(&blue_green("v3", AT_ONCE, 0));
    world.until(60_000, World::is_settled);
    assert_eq!((world.revisions(), world.fewest_known), (only("v3"), 4));
    assert!(world.most_placed <= 8);
    world.apply(&blue_green("v4", Wait::Confirm, 0));
    world.run(2_000);
    world.apply(&blue_green("v3", Wait::Confirm, 0));
    world.until(5_000, World::is_settled);
    assert_eq!((world.rollout(), world.revisions()), (RolloutState::Done, only("v3")));
}

#[test]
fn the_number_may_change_beside_green() {
    let mut world = World::settled(&blue_green("v1", Wait::Confirm, 0));
    world.apply(&blue_green("v2", Wait::Confirm, 0));
    world.until(20_000, |world| world.phase() == RolloutPhase::Held);
    for (replicas, placed) in [(6, 12), (2, 4)] {
        let mut scaled = blue_green("v2", Wait::Confirm, 0);
        scaled.services.get_mut("web").unwrap().replicas = replicas;
        world.apply(&scaled);
        world.until(20_000, |world| world.placed() == placed && world.known() == replicas as usize);
        world.run(5_000);
    }
    world.steer(RolloutAction::Confirm);
    world.until(20_000, World::is_settled);
    assert_eq!((world.placed(), world.revisions()), (2, only("v2")));
}
