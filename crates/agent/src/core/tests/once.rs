//! What runs once is never started anew, whatever happens.

use super::*;

fn once() -> Unit {
    Unit { once: true, ..unit(1, None) }
}

fn ends_with(code: Option<i32>) -> Event {
    Event::Ended { how: format!("exit {code:?}"), exit: Exit { code, took: Millis::new(7) } }
}

fn running() -> World {
    let mut world = World::new(plan(&[("job/3", &once())]));
    assert_eq!(world.act(), ["start job/3"]);
    world.note("job/3", Event::Started { pid: Some(7) });
    world
}

/// Its state and exit, after a long time in which nothing may be done.
fn settled(world: &mut World) -> (ReplicaState, Option<Exit>) {
    for _ in 0..10 {
        assert_eq!((world.act(), world.due()), (vec![], None));
        world.now += Duration::from_secs(60);
    }
    let (_, report) = world.local.report(world.now).pop().unwrap();
    (report.state, report.exit)
}

#[test]
fn ends_well_or_not_and_stays_so() {
    for (code, state) in
        [(Some(0), ReplicaState::Completed), (Some(3), ReplicaState::Failed), (None, ReplicaState::Failed)]
    {
        let mut world = running();
        world.note("job/3", ends_with(code));
        assert_eq!(settled(&mut world), (state, Some(Exit { code, took: Millis::new(7) })));
        world.plan = Some(plan(&[]));
        assert_eq!(world.act(), ["remove job/3"]);
    }
}

#[test]
fn what_could_not_be_started_is_over() {
    let mut world = World::new(plan(&[("job/3", &once())]));
    assert_eq!(world.act(), ["start job/3"]);
    world.note("job/3", Event::NotStarted { message: "no such file".into(), retry: true });
    assert_eq!(settled(&mut world).0, ReplicaState::Failed);
}

#[test]
fn is_not_replaced_for_another_address() {
    let mut world = running();
    world.plan.as_mut().unwrap().address = "10.9.9.9".into();
    assert_eq!(world.act(), [""; 0]);
    world.note("job/3", ends_with(Some(0)));
    assert_eq!(settled(&mut world).0, ReplicaState::Completed);
}

#[test]
fn one_that_an_agent_finds_ended_is_not_started_and_told_of() {
    let mut world = World::new(plan(&[("job/3", &once()), ("job/4", &once())]));
    let exit = Exit { code: Some(0), took: Millis::new(7) };
    let incarnation = incarnation(&once());
    let found = Found::Ended { incarnation, restarts: 0, how: "exited with status 0".into(), exit, once: true };
    world.local.find("job/3".parse().unwrap(), found, world.now);
    world.local.find("job/4".parse().unwrap(), Found::Remains, world.now);
    assert_eq!(world.act(), [""; 0]);
    let states: Vec<_> = world.local.report(world.now).into_iter().map(|(_, report)| report.state).collect();
    assert_eq!(states, [ReplicaState::Completed, ReplicaState::Failed], "of the other nobody knows whether it ran");
}

#[test]
fn one_that_was_stopped_is_over() {
    let mut world = running();
    world.quiet = true;
    assert_eq!(world.act(), ["stop job/3"]);
    world.note("job/3", ends_with(None));
    world.quiet = false;
    assert_eq!(settled(&mut world).0, ReplicaState::Failed);
}
