use super::*;

const NOTHING: [&str; 0] = [];

/// A world in which `web/0` has just started at 0.
fn up(unit: &Unit) -> World {
    let mut world = World::new(plan(&[("web/0", unit)]));
    assert_eq!(world.act(), ["start web/0"]);
    world.note("web/0", started());
    world
}

#[test]
fn without_a_check_it_is_healthy_once_it_has_lived() {
    let mut world = up(&unit(1, None));
    assert_eq!((world.report().as_str(), world.due()), ("running 0", Some(500)));
    assert_eq!(world.at(500), NOTHING);
    assert_eq!((world.report().as_str(), world.due()), ("healthy 0", None), "and then there is nothing to wait for");
}

#[test]
fn a_crash_loop_pauses_longer_and_longer() {
    let mut world = up(&unit(1, None));
    let mut starts = Vec::new();
    for _ in 0..12 {
        world.note("web/0", ended("exited with status 1"));
        let due = u64::try_from(world.due().unwrap()).unwrap();
        starts.push(due - u64::try_from(world.now.as_millis()).unwrap());
        assert_eq!(world.at(due), ["start web/0"]);
        world.note("web/0", started());
    }
    assert_eq!(starts, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
    assert_eq!(world.report(), "running 12: started anew after: exited with status 1");
}

#[test]
fn what_was_well_is_started_at_once_and_forgiven_later() {
    let mut world = up(&unit(1, None));
    world.at(500);
    world.note("web/0", ended("killed by SIGKILL"));
    assert_eq!(world.act(), ["start web/0"], "it was healthy");
    world.note("web/0", started());
    world.at(1_000);
    world.note("web/0", ended("killed by SIGKILL"));
    assert_eq!(world.due(), Some(1_100), "and then not for long");
    assert_eq!(world.at(1_100), ["start web/0"]);
    world.note("web/0", started());
    world.at(1_600);
    world.now = Duration::from_millis(1_600 + 2_000);
    world.note("web/0", ended("killed by SIGKILL"));
    assert_eq!(world.act(), ["start web/0"], "and then for long enough");
}

#[test]
fn a_check_is_asked_often_at_first_and_then_in_its_interval() {
    let mut world = up(&unit(1, Some(health())));
    let mut asked = Vec::new();
    assert_eq!(world.act(), ["probe web/0"]);
    while world.now < Duration::from_millis(700) {
        assert_eq!(world.due(), None, "not before the answer");
        world.note("web/0", bad("no answer"));
        world.now = world.decide().1.unwrap();
        assert_eq!(world.act(), ["probe web/0"]);
        asked.push(world.now.as_millis());
    }
    assert_eq!(asked[..6], [20, 40, 60, 80, 100, 120]);
    assert!(asked.len() < 26 && asked.windows(2).all(|pair| pair[1] - pair[0] <= 70), "{asked:?}");
    assert_eq!(world.report(), "running 0: no answer");
    world.note("web/0", good());
    assert_eq!(world.report(), "healthy 0");
    assert!(!asked.last().unwrap().is_multiple_of(1_000));
    assert_eq!(world.at(1_000), ["probe web/0"], "at the beat, which others may be asked at too");
    world.note("web/0", good());
    assert_eq!(world.due(), Some(2_000));
}

#[test]
fn a_late_answer_does_not_shift_the_interval() {
    let mut world = up(&unit(1, Some(health())));
    assert_eq!(world.act(), ["probe web/0"]);
    world.now = Duration::from_millis(400);
    world.note("web/0", good());
    assert_eq!(world.due(), Some(1_000));
    assert_eq!(world.at(1_000), ["probe web/0"]);
    world.now = Duration::from_millis(2_500);
    world.note("web/0", good());
    assert_eq!(world.act(), ["probe web/0"], "overdue");
}

#[test]
fn some_bad_answers_are_no_illness_and_many_are() {
    let mut world = up(&unit(1, Some(health())));
    world.act();
    world.note("web/0", good());
    for (round, answer) in [bad("500"), bad("500"), good(), bad("500"), bad("500")].into_iter().enumerate() {
        assert_eq!(world.at((round as u64 + 1) * 1_000), ["probe web/0"]);
        world.note("web/0", answer);
        assert!(world.report().starts_with("healthy 0"), "{round}");
    }
    assert_eq!(world.at(6_000), ["probe web/0"]);
    world.note("web/0", bad("500"));
    assert_eq!(world.report(), "unhealthy 0: 500");
    assert_eq!(world.act(), ["stop web/0"]);
    assert_eq!(world.report(), "unhealthy 0: unhealthy: 500, 3 times in a row");
    world.note("web/0", ended("killed by SIGTERM"));
    assert_eq!(world.act(), ["start web/0"]);
    world.note("web/0", started());
    assert_eq!(world.report(), "running 1: started anew after: unhealthy: 500, 3 times in a row");
}

#[test]
fn what_never_answers_well_is_given_its_grace() {
    let mut world = up(&unit(1, Some(health())));
    world.act();
    world.now = Duration::from_millis(9_900);
    world.note("web/0", bad("refused"));
    assert!(world.report().starts_with("running 0"), "however many they were");
    world.act();
    world.now = Duration::from_millis(10_000);
    world.note("web/0", bad("refused"));
    assert_eq!(world.act(), ["stop web/0"]);
    world.note("web/0", ended("killed by SIGTERM"));
    assert_eq!(world.report(), "failed 1: not healthy within 10s: refused");
}

#[test]
fn what_is_not_wanted_is_stopped_killed_and_removed() {
    let mut world = up(&unit(1, None));
    world.plan = Some(plan(&[]));
    assert_eq!(world.act(), ["stop web/0"]);
    assert_eq!((world.report().as_str(), world.due()), ("stopping 0", Some(2_000)));
    assert_eq!(world.at(2_000), ["kill web/0"]);
    assert_eq!(world.at(7_000), ["kill web/0"], "again, should it be stuck");
    world.note("web/0", ended("killed by SIGKILL"));
    assert_eq!(world.act(), ["remove web/0"]);
    assert_eq!(world.due(), None);
}

#[test]
fn a_change_while_it_stops_waits_for_the_end() {
    let (old, new) = (unit(1, None), unit(2, None));
    let mut world = up(&old);
    world.plan = Some(plan(&[]));
    assert_eq!(world.act(), ["stop web/0"]);
    world.plan = Some(plan(&[("web/0", &new)]));
    assert_eq!(world.act(), NOTHING);
    world.note("web/0", ended("killed by SIGTERM"));
    assert_eq!(world.act(), ["start web/0"]);
    assert_eq!(world.report(), "starting 0");
    world.plan = Some(plan(&[("web/0", &old)]));
    assert_eq!(world.act(), ["stop web/0"], "it need not start first");
    assert_eq!(world.report(), "stopping 0");
    world.note("web/0", started());
    assert_eq!(world.act(), ["stop web/0"], "it did all the same");
}

#[test]
fn what_is_being_started_and_not_wanted_is_stopped_until_it_is() {
    let (old, new) = (unit(1, None), unit(2, None));
    let mut world = World::new(plan(&[("web/0", &old)]));
    assert_eq!(world.act(), ["start web/0"]);
    world.plan = Some(plan(&[("web/0", &new)]));
    assert_eq!(world.act(), ["stop web/0"]);
    assert_eq!(world.at(5_000), ["stop web/0"], "that may have been lost");
    world.plan = Some(plan(&[("web/0", &old)]));
    assert_eq!(world.at(10_000), ["stop web/0"], "too late");
    world.note("web/0", Event::NotStarted { message: "it was stopped".into(), retry: true });
    assert_eq!(world.act(), ["start web/0"], "no failure of its own");
    world.plan = Some(plan(&[]));
    assert_eq!(world.act(), ["stop web/0"]);
    world.note("web/0", Event::NotStarted { message: "it was stopped".into(), retry: false });
    assert_eq!(world.act(), ["remove web/0"]);
}

#[test]
fn what_an_earlier_agent_was_starting_is_waited_for() {
    let unit = unit(1, None);
    let mut world = World::new(plan(&[("web/0", &unit)]));
    let (incarnation, grace, drain) = (incarnation(&unit), unit.stop_grace, super::super::drain(&unit));
    world.local.find("web/0".parse().unwrap(), Found::Starting { incarnation, grace, drain, restarts: 4 }, world.now);
    assert_eq!((world.act(), world.report().as_str()), (vec![], "starting 4"));
    world.note("web/0", started());
    assert_eq!(world.report(), "running 4");
}

#[test]
fn another_address_is_another_incarnation() {
    let mut world = up(&unit(1, None));
    world.plan.as_mut().unwrap().address = "10.0.0.2".into();
    assert_eq!(world.act(), ["stop web/0"]);
}

#[test]
fn what_cannot_be_started_is_tried_again_or_not() {
    let mut world = World::new(plan(&[("web/0", &unit(1, None))]));
    world.act();
    world.note("web/0", Event::NotStarted { message: "no such program".into(), retry: true });
    assert_eq!((world.report().as_str(), world.due()), ("failed 0: no such program", Some(100)));
    assert_eq!(world.at(100), ["start web/0"]);
    world.note("web/0", Event::NotStarted { message: "no such driver".into(), retry: false });
    assert_eq!((world.report().as_str(), world.due()), ("failed 0: no such driver", None));
    world.plan = Some(plan(&[("web/0", &unit(2, None))]));
    assert_eq!(world.act(), ["start web/0"], "something else is wanted");
}

#[test]
fn what_was_running_is_taken_over_as_it_was() {
    let unit = unit(1, Some(health()));
    let mut world = World::new(plan(&[("web/0", &unit)]));
    world.local.find("web/0".parse().unwrap(), found_running(&unit, true), world.now);
    assert_eq!(world.report(), "healthy 4");
    assert_eq!(world.act(), ["probe web/0"]);
    world.note("web/0", bad("500"));
    assert_eq!(world.report(), "healthy 4: 500");
}

#[test]
fn without_a_plan_what_runs_goes_on() {
    let unit = unit(1, Some(health()));
    let mut world = World::new(plan(&[]));
    world.plan = None;
    world.local.find("web/0".parse().unwrap(), found_running(&unit, false), world.now);
    let how = "exited with status 1".into();
    world.local.find(
        "web/1".parse().unwrap(),
        Found::Ended {
            incarnation: incarnation(&unit),
            restarts: 0,
            how,
            exit: Exit { code: Some(1), took: Millis::default() },
            once: false,
        },
        world.now,
    );
    world.local.find("web/2".parse().unwrap(), Found::Remains, world.now);
    assert_eq!((world.act(), world.due()), (vec![], None));
    world.plan = Some(plan(&[("web/0", &unit), ("web/1", &unit)]));
    assert_eq!(world.act(), ["probe web/0", "start web/1", "remove web/2"]);
}

#[test]
fn an_agent_that_stops_starts_nothing_and_removes_nothing() {
    let mut world = up(&unit(1, None));
    world.quiet = true;
    assert_eq!(world.act(), ["stop web/0"]);
    assert!(!world.local.is_quiet());
    world.note("web/0", ended("exited with status 0"));
    assert_eq!((world.act(), world.due()), (vec![], None));
    assert!(world.local.is_quiet());
}

/// A unit that others call.
fn called(version: u32) -> Unit {
    Unit { ports: BTreeMap::from([(name("http"), Port::Dynamic)]), ..unit(version, None) }
}

#[test]
fn what_is_called_runs_on_until_its_callers_know() {
    let mut world = up(&called(1));
    world.at(500);
    world.plan = Some(plan(&[("web/0", &called(2))]));
    assert_eq!((world.act(), world.due()), (vec![], Some(2_500)));
    assert_eq!(world.report(), "stopping 0");
    assert_eq!(world.at(2_500), ["stop web/0"]);
    world.note("web/0", ended("exited with status 0"));
    assert_eq!(world.act(), ["start web/0"]);
    world.note("web/0", started());
    world.plan = Some(plan(&[]));
    assert_eq!(world.act(), ["stop web/0"], "nobody calls what has not served yet");
}

#[test]
fn an_attempt_of_a_job_is_called_by_nobody() {
    assert_eq!(crate::core::drain(&called(1)), Unit::default_drain());
    assert_eq!(crate::core::drain(&Unit { once: true, ..called(1) }), icefield_spec::Millis::default());
}

#[test]
fn what_is_wanted_again_before_it_was_to_end_runs_on() {
    let mut world = up(&called(1));
    world.at(500);
    world.plan = Some(plan(&[]));
    assert_eq!(world.act(), NOTHING);
    world.plan = Some(plan(&[("web/0", &called(1))]));
    assert_eq!((world.act(), world.due()), (vec![], None));
    assert_eq!(world.report(), "healthy 0");
    world.plan = Some(plan(&[]));
    assert_eq!(world.due(), Some(2_500), "it has its whole time again");
    world.quiet = true;
    assert_eq!(world.act(), ["stop web/0"], "unless its agent ends");
}

#[test]
fn what_ends_before_it_was_to_is_replaced_at_once() {
    let mut world = up(&called(1));
    world.at(500);
    world.plan = Some(plan(&[("web/0", &called(2))]));
    world.act();
    world.note("web/0", ended("exited with status 1"));
    assert_eq!(world.act(), ["start web/0"]);
}

#[test]
fn what_is_held_back_is_not_started_and_says_what_it_waits_for() {
    let unit = unit(1, None);
    let mut world = World::new(plan(&[("web/0", &unit)]));
    let held = |world: &mut World, why: &[(&str, &str)]| {
        world.local.hold(why.iter().map(|(id, why)| (id.parse().unwrap(), (*why).to_owned())).collect());
    };
    held(&mut world, &[("web/0", "waits for the secret db")]);
    assert_eq!(world.act(), [""; 0]);
    assert_eq!(world.due(), None, "time alone changes nothing");
    assert_eq!(world.report(), "starting 0: waits for the secret db");
    held(&mut world, &[]);
    assert_eq!(world.act(), ["start web/0"]);
    world.note("web/0", started());
    // Another revision that cannot be started yet replaces nothing.
    let next = super::unit(2, None);
    world.plan = Some(plan(&[("web/0", &next)]));
    held(&mut world, &[("web/0", "waits for the secret db")]);
    assert_eq!(world.act(), [""; 0]);
    assert_eq!(world.report(), "running 0: waits for the secret db");
    world.note("web/0", ended("exited with status 1"));
    assert_eq!(world.act(), [""; 0]);
    held(&mut world, &[]);
    assert_eq!(world.act(), ["start web/0"]);
    // What is wanted no more goes all the same.
    world.note("web/0", started());
    held(&mut world, &[("web/0", "waits")]);
    world.plan = Some(plan(&[]));
    assert_eq!(world.act(), ["stop web/0"]);
}

#[test]
fn what_is_to_be_renewed_is_stopped_and_started_once() {
    let unit = unit(1, None);
    let mut world = World::new(plan(&[("web/0", &unit)]));
    assert_eq!(world.act(), ["start web/0"]);
    world.local.renew(&"web/0".parse().unwrap());
    world.note("web/0", started());
    assert_eq!(world.act(), [""; 0], "it starts just now, with what there is to renew");
    world.local.renew(&"web/0".parse().unwrap());
    assert_eq!(world.act(), ["stop web/0"]);
    world.note("web/0", ended("killed by SIGTERM"));
    assert_eq!(world.act(), ["start web/0"]);
    world.note("web/0", started());
    assert_eq!(world.act(), [""; 0]);
    assert_eq!(world.report(), "running 0", "it is no failure");
}
