//! The ways to roll out besides a few at a time, what people do with rollouts, and what comes in between.

use icefield_api::{RolloutAction, RolloutPhase, RolloutState};
use icefield_control::Applied;
use icefield_spec::{Dependency, Millis, Share, Spec, Spread, Strategy, Update, Wait};

use crate::declare::{AT_ONCE, blue_green, canary, name, only, service, spec, surging, updated};
use crate::world::World;

#[test]
fn with_a_surge_none_is_ever_missing_and_none_is_left_over() {
    for surge in [1, 2, 9] {
        let mut world = World::settled(&surging("v1", surge));
        world.count_anew();
        world.apply(&surging("v2", surge));
        world.until(60_000, World::is_settled);
        assert_eq!((world.rollout(), world.fewest_known), (RolloutState::Done, 4));
        assert_eq!(world.most_placed, 4 + surge.min(4) as usize);
        assert_eq!((world.placed(), world.revisions()), (4, only("v2")));
        assert_eq!(world.state.services["web"].own, None);
    }
}

#[test]
fn a_surge_of_a_bad_version_goes_back_without_a_loss() {
    for bad in ["v2-crash", "v2-never"] {
        let mut world = World::settled(&surging("v1", 1));
        world.count_anew();
        world.apply(&surging(bad, 1));
        world.until(20_000, World::is_rolled_back);
        world.until(5_000, World::is_settled);
        assert_eq!((world.fewest_known, world.most_placed), (4, 5));
        assert_eq!((world.placed(), world.revisions()), (4, only("v1")));
    }
}

#[test]
fn another_version_in_the_middle_of_a_surge_finds_its_way() {
    let mut world = World::settled(&surging("v1", 1));
    world.count_anew();
    world.apply(&surging("v2", 1));
    world.until(10_000, |world| world.revisions().len() == 2 && world.known() == 5);
    world.apply(&surging("v3", 1));
    world.until(60_000, World::is_settled);
    assert_eq!((world.rollout(), world.revisions()), (RolloutState::Done, only("v3")));
    assert_eq!((world.fewest_known, world.most_placed), (4, 5));
    world.apply(&surging("v4", 1));
    world.run(3_000);
    world.apply(&surging("v3", 1));
    world.until(60_000, |world| world.is_settled() || world.known() < 4);
    assert!(world.known() >= 4, "{:#?}", world.summary());
    assert_eq!((world.fewest_known, world.revisions()), (4, only("v3")));
}

#[test]
fn a_surge_for_which_there_is_no_room_fails_where_nothing_else_would_do() {
    let full = |version: &str, max_unavailable| {
        updated(1, version, 8, Update { max_unavailable, max_surge: 1, ..Update::default() })
    };
    let mut world = World::settled(&full("v1", 0));
    world.apply(&full("v2", 0));
    world.until(30_000, World::is_rolled_back);
    assert_eq!(world.state.services["web"].rollout.message, "web/8 fits on no node");
    let mut world = World::settled(&full("v1", 1));
    world.apply(&full("v2", 1));
    world.until(60_000, World::is_settled);
    assert_eq!(world.rollout(), RolloutState::Done, "with one less it does without");
}

#[test]
fn canaries_are_held_and_then_the_rest_follows() {
    let wait = Wait::Hold(Millis::new(5_000));
    let mut world = World::settled(&canary("v1", Share::Percent(50), wait));
    world.count_anew();
    world.apply(&canary("v2", Share::Percent(50), wait));
    world.until(20_000, |world| world.phase() == RolloutPhase::Held);
    let new = |world: &World| {
        let placed = world.state.placed.placement().service("web");
        placed.filter(|(_, assignment)| only("v2").contains(&assignment.revision)).count()
    };
    assert_eq!(new(&world), 2);
    world.run(4_800);
    assert_eq!(new(&world), 2, "not before the time is over");
    assert!(world.status().services[0].rollout.as_ref().unwrap().message.contains("goes on after 5s"));
    world.until(20_000, World::is_settled);
    assert_eq!((world.rollout(), world.fewest_known, world.most_placed), (RolloutState::Done, 3, 4));
}

#[test]
fn canaries_that_wait_for_a_person_wait_as_long_as_it_takes() {
    let mut world = World::settled(&canary("v1", Share::Count(1), Wait::Confirm));
    assert!(matches!(world.steer(RolloutAction::Confirm), Applied::Refused(_)));
    world.apply(&canary("v2", Share::Count(1), Wait::Confirm));
    world.until(20_000, |world| world.phase() == RolloutPhase::Held);
    world.run(100_000);
    assert_eq!(world.known_revisions().len(), 2);
    assert!(world.status().services[0].rollout.as_ref().unwrap().message.contains("rollout confirm web"));
    // A node that is lost meanwhile takes no more of the new version in.
    let lost = world.node_of("web/3").unwrap();
    world.agents.get_mut(&lost).unwrap().lose_power();
    world.run(30_000);
    let placed = world.state.placed.placement().service("web");
    assert_eq!(placed.filter(|(_, assignment)| only("v2").contains(&assignment.revision)).count(), 1);
    assert!(matches!(world.steer(RolloutAction::Confirm), Applied::Done(_)));
    world.until(60_000, |world| world.rollout() == RolloutState::Done);
    assert_eq!(world.revisions(), only("v2"));
}

#[test]
fn a_canary_that_fails_takes_nothing_along() {
    for bad in ["v2-crash", "v2-never"] {
        let mut world = World::settled(&canary("v1", Share::Count(1), Wait::Confirm));
        world.count_anew();
        world.apply(&canary(bad, Share::Count(1), Wait::Confirm));
        world.until(20_000, World::is_rolled_back);
        assert_eq!((world.fewest_known, world.revisions()), (3, only("v1")));
    }
}

#[test]
fn a_canary_that_fails_while_it_is_held_goes_back() {
    let mut world = World::settled(&canary("v1", Share::Count(1), Wait::Confirm));
    world.apply(&canary("v2", Share::Count(1), Wait::Confirm));
    world.until(20_000, |world| world.phase() == RolloutPhase::Held);
    world.run(50_000);
    for _ in 0..4 {
        let now = world.now;
        let agents = world.agents.values_mut().flat_map(|agent| agent.processes.values_mut());
        agents.filter(|process| only("v2").contains(&process.revision)).for_each(|process| process.crash(now));
        world.run(400);
    }
    world.until(10_000, World::is_rolled_back);
    assert_eq!(world.revisions(), only("v1"));
}

#[test]
fn the_way_may_change_in_the_middle() {
    let ways = [
        surging("v2", 1),
        canary("v2", Share::Count(2), AT_ONCE),
        blue_green("v2", AT_ONCE, 500),
        canary("v2", Share::Count(1), Wait::Confirm),
        blue_green("v2", Wait::Confirm, 0),
    ];
    for first in &ways {
        for second in &ways[..3] {
            for after in [500, 2_000, 4_000, 7_000] {
                let mut world = World::settled(&surging("v1", 1));
                world.apply(first);
                world.run(after);
                world.apply(second);
                world.until(60_000, World::is_settled);
                assert_eq!((world.rollout(), world.revisions()), (RolloutState::Done, only("v2")));
            }
        }
    }
}

#[test]
fn a_paused_rollout_takes_no_step_and_is_held_to_no_deadline() {
    let mut world = World::settled(&surging("v1", 1));
    world.apply(&surging("v2-never", 1));
    world.run(2_000);
    assert!(matches!(world.steer(RolloutAction::Pause), Applied::Done(_)));
    assert!(matches!(world.steer(RolloutAction::Pause), Applied::Unchanged(_)));
    world.run(60_000);
    assert_eq!((world.rollout(), world.known_revisions()), (RolloutState::Progressing, only("v1")));
    let status = world.status().services.remove(0).rollout.unwrap();
    assert!(status.paused && status.message.contains("rollout resume web"), "{status:?}");
    world.steer(RolloutAction::Resume);
    world.run(9_000);
    assert_eq!(world.rollout(), RolloutState::Progressing, "it has its whole time again");
    world.until(5_000, |world| world.rollout() != RolloutState::Progressing);
}

#[test]
fn what_is_undone_goes_back_in_its_own_way() {
    for (one, two) in [
        (surging("v1", 1), surging("v2", 1)),
        (canary("v1", Share::Count(1), AT_ONCE), canary("v2", Share::Count(1), AT_ONCE)),
        (blue_green("v1", AT_ONCE, 0), blue_green("v2", AT_ONCE, 0)),
    ] {
        let mut world = World::settled(&one);
        assert!(matches!(world.steer(RolloutAction::Undo), Applied::Refused(_)), "there is none before");
        world.apply(&two);
        world.run(1_500);
        world.steer(RolloutAction::Undo);
        world.until(20_000, World::is_settled);
        assert_eq!((world.rollout(), world.revisions()), (RolloutState::RolledBack, only("v1")), "on the way");
        assert!(matches!(world.steer(RolloutAction::Undo), Applied::Refused(_)), "it is there already");
        // Applied again, it is tried again only if something else was in force before.
        world.apply(&one);
        world.apply(&two);
        world.until(60_000, World::is_settled);
        world.count_anew();
        world.steer(RolloutAction::Undo);
        world.until(60_000, World::is_settled);
        assert_eq!((world.rollout(), world.revisions()), (RolloutState::RolledBack, only("v1")), "when it is done");
        let least = 4 - two.services["web"].update.unavailable() as usize;
        assert!(world.fewest_known >= least, "{} {:#?}", world.fewest_known, world.summary());
        assert_eq!(world.state.services["web"].rollout.message, "it was undone");
    }
}

#[test]
fn the_history_tells_what_became_of_each() {
    let mut world = World::settled(&surging("v1", 1));
    world.apply(&surging("v2", 1));
    world.run(1_000);
    world.apply(&surging("v3-crash", 1));
    world.until(20_000, World::is_rolled_back);
    for number in 0..30 {
        world.apply(&surging(&format!("v{}", 10 + number), 4));
        world.until(20_000, World::is_settled);
    }
    let record = &world.state.services["web"];
    assert_eq!(record.past.len(), 20);
    let mut world = World::settled(&surging("v1", 1));
    world.apply(&surging("v2", 1));
    world.run(1_000);
    world.apply(&surging("v3-crash", 1));
    world.until(20_000, World::is_rolled_back);
    world.apply(&surging("v4", 1));
    let past = &world.state.services["web"].past;
    let states: Vec<_> = past.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [RolloutState::Done, RolloutState::Superseded, RolloutState::RolledBack]);
    assert!(past[2].message.contains("ended 3 times"), "{}", past[2].message);
    assert!(past.iter().all(|entry| entry.ended.unwrap() >= entry.started));
}

#[test]
fn a_change_that_needs_no_restart_causes_none() {
    let mut world = World::settled(&surging("v1", 1));
    let started: Vec<u64> = world.agents.values().map(|agent| agent.number).collect();
    let mut changed = blue_green("v1", Wait::Confirm, 9_000);
    changed.services.get_mut("web").unwrap().rules.prefer.push(icefield_spec::Prefer {
        label: "zone".into(),
        value: "a".into(),
        weight: 7,
    });
    world.apply(&changed);
    world.run(10_000);
    assert_eq!((world.rollout(), world.placed()), (RolloutState::Done, 4));
    assert_eq!(world.agents.values().map(|agent| agent.number).collect::<Vec<u64>>(), started);
}

/// Six replicas on six nodes in three zones.
fn zoned(version: &str, kind: Strategy, max_unavailable: u32) -> Spec {
    let mut spec = updated(6, version, 6, Update { kind, max_unavailable, ..Update::default() });
    for (at, node) in spec.nodes.values_mut().enumerate() {
        node.machine.labels.insert("zone".into(), ["a", "b", "c"][at / 2].into());
    }
    spec.services.get_mut("web").unwrap().rules.spread =
        vec![Spread { max_skew: Some(1), ..Spread::over("zone") }, Spread { max: Some(1), ..Spread::over("node") }];
    spec
}

/// How many replicas of a version each zone has.
fn zones(world: &World, version: &str) -> [usize; 3] {
    let placed = world.state.placed.placement().service("web");
    let nodes = placed.filter(|(_, assignment)| only(version).contains(&assignment.revision));
    let mut counts = [0; 3];
    for (_, assignment) in nodes {
        let number: usize = assignment.node.as_str()[1..].parse().unwrap();
        counts[(number - 1) / 2] += 1;
    }
    counts
}

#[test]
fn the_new_version_is_spread_by_itself() {
    // Three canaries are one in each zone, though the first three replicas by number may not be.
    let canary = Strategy::Canary { share: Share::Count(3), wait: Wait::Confirm };
    let mut world = World::settled(&zoned("v1", canary, 1));
    assert_eq!(zones(&world, "v1"), [2, 2, 2]);
    world.apply(&zoned("v2", canary, 1));
    world.until(30_000, |world| world.phase() == RolloutPhase::Held);
    assert_eq!(zones(&world, "v2"), [1, 1, 1]);

    // All old ones are in one zone, because the others were not there when they came.
    let blue_green = Strategy::BlueGreen { wait: AT_ONCE, keep: Millis::new(0) };
    let mut world = World::new(6);
    for node in ["n3", "n4", "n5", "n6"] {
        world.agents.get_mut(&name(node)).unwrap().powered = false;
    }
    let crowded = |version| {
        let mut spec = zoned(version, blue_green, 1);
        spec.services.get_mut("web").unwrap().rules.spread[1].max = None;
        spec
    };
    world.apply(&crowded("v1"));
    world.run(10_000);
    for agent in world.agents.values_mut() {
        agent.powered = true;
    }
    world.until(30_000, World::is_settled);
    assert_eq!(zones(&world, "v1"), [6, 0, 0]);
    world.apply(&crowded("v2"));
    world.until(30_000, World::is_settled);
    assert_eq!(zones(&world, "v2"), [2, 2, 2], "what goes away does not count");
}

#[test]
fn as_many_again_fit_where_a_node_may_have_but_one() {
    let blue_green = Strategy::BlueGreen { wait: AT_ONCE, keep: Millis::new(0) };
    let mut world = World::settled(&zoned("v1", blue_green, 1));
    world.count_anew();
    world.apply(&zoned("v2", blue_green, 1));
    world.until(30_000, World::is_settled);
    assert_eq!((world.rollout(), world.fewest_known), (RolloutState::Done, 6));
    assert_eq!(zones(&world, "v2"), [2, 2, 2]);
}

#[test]
fn a_node_that_is_lost_in_the_middle_stops_nothing() {
    for (one, two) in [
        (surging("v1", 1), surging("v2", 1)),
        (canary("v1", Share::Count(1), AT_ONCE), canary("v2", Share::Count(1), AT_ONCE)),
        (blue_green("v1", AT_ONCE, 0), blue_green("v2", AT_ONCE, 0)),
    ] {
        for after in [300, 1_500, 3_000, 5_000] {
            let mut world = World::settled(&one);
            world.apply(&two);
            world.run(after);
            let lost = world.node_of("web/0").or_else(|| world.node_of("web/4")).unwrap();
            world.agents.get_mut(&lost).unwrap().lose_power();
            world.until(90_000, |world| {
                !world.state.services["web"].rollout.is_under_way() && world.known() == 4 && world.placed() == 4
            });
            assert_eq!((world.rollout(), world.revisions()), (RolloutState::Done, only("v2")));
        }
    }
}

#[test]
fn a_leader_that_changes_in_the_middle_goes_on() {
    for (one, two) in [
        (surging("v1", 1), surging("v2", 1)),
        (
            canary("v1", Share::Count(2), Wait::Hold(Millis::new(2_000))),
            canary("v2", Share::Count(2), Wait::Hold(Millis::new(2_000))),
        ),
        (blue_green("v1", AT_ONCE, 1_000), blue_green("v2", AT_ONCE, 1_000)),
    ] {
        let mut world = World::settled(&one);
        world.count_anew();
        world.apply(&two);
        for _ in 0..12 {
            world.run(700);
            world.change_leader();
        }
        world.until(60_000, World::is_settled);
        assert_eq!((world.rollout(), world.revisions()), (RolloutState::Done, only("v2")));
        assert!(world.fewest_known >= 4 - two.services["web"].update.unavailable() as usize);
    }
}

/// A database and what comes after it.
fn ordered(db: &str, web: &str) -> Spec {
    let mut both = spec(3, &[("db", service(db, 2)), ("web", service(web, 3))]);
    both.services.get_mut("web").unwrap().after = vec![Dependency::Service(name("db"))];
    both
}

#[test]
fn what_comes_after_another_starts_and_changes_after_it() {
    let mut world = World::new(3);
    world.apply(&ordered("v1", "v1"));
    while world.state.services["db"].rollout.state != RolloutState::Done {
        assert_eq!(world.placed(), 0, "it has not begun");
        let status = world.status().services.remove(1);
        assert_eq!(status.rollout.unwrap().message, "waits for the service db");
        world.run(50);
    }
    world.until(10_000, World::is_settled);
    world.apply(&ordered("v2", "v2"));
    while world.state.services["db"].rollout.state != RolloutState::Done {
        assert_eq!((world.known_revisions(), world.phase()), (only("v1"), RolloutPhase::Waiting));
        world.run(50);
    }
    world.until(20_000, World::is_settled);
    assert_eq!(world.revisions(), only("v2"));
}

#[test]
fn what_comes_after_something_bad_waits_and_keeps_what_it_has() {
    let mut world = World::settled(&ordered("v1", "v1"));
    world.apply(&ordered("v2-crash", "v2"));
    world.until(20_000, |world| world.state.services["db"].rollout.state == RolloutState::RolledBack);
    world.run(60_000);
    assert_eq!((world.rollout(), world.known_revisions()), (RolloutState::Progressing, only("v1")));
    let message = world.status().services.remove(1).rollout.unwrap().message;
    assert_eq!(message, "waits for the service db, whose rollout has failed");
    // A replica that is lost meanwhile comes back as it was.
    let lost = world.node_of("web/0").unwrap();
    world.agents.get_mut(&lost).unwrap().lose_power();
    world.until(30_000, |world| world.known() == 3);
    assert_eq!(world.known_revisions(), only("v1"));
    world.steer(RolloutAction::Undo);
    world.until(1_000, |world| world.rollout() == RolloutState::RolledBack);
    world.apply(&ordered("v3", "v3"));
    world.until(60_000, |world| world.rollout() == RolloutState::Done);
    assert_eq!(world.known_revisions(), only("v3"));
}
