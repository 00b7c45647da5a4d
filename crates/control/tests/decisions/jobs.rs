//! Jobs: each runs to its end, never twice at once. That it never does is held against the model at every step.

use icefield_api::{AttemptOutcome, JobRun, RolloutState, RunCause, RunOutcome};
use icefield_control::state::JobStep;
use icefield_control::{Applied, Command};
use icefield_spec::{Dependency, Job, Schedule, Spec};

use crate::declare::{name, service, spec, unit};
use crate::world::World;

fn job(version: &str) -> Job {
    Job { retries: 2, deadline: "30s".parse().unwrap(), ..Job::new(unit(version)) }
}

/// Three nodes and the job "move".
fn declared(job: Job) -> Spec {
    let mut spec = spec(3, &[]);
    spec.jobs.insert(name("move"), job);
    spec
}

/// The same with a service "web" that waits for it.
fn with_web(version: &str, job: Job) -> Spec {
    let mut spec = spec(3, &[("web", service(version, 2))]);
    spec.services.get_mut("web").unwrap().after = vec![Dependency::Job(name("move"))];
    spec.jobs.insert(name("move"), job);
    spec
}

fn world(spec: &Spec) -> World {
    let mut world = World::new(3);
    world.run(500);
    assert!(matches!(world.apply(spec), Applied::Done(_)));
    world
}

fn runs(world: &World) -> Vec<JobRun> {
    world.state.jobs["move"].history.iter().cloned().collect()
}

/// Until so many runs are over.
fn until_over(world: &mut World, count: usize) -> Vec<JobRun> {
    world.until(120_000, |world| world.state.jobs["move"].history.len() == count);
    world.until(10_000, |world| world.state.placed.placement().service("move").next().is_none());
    runs(world)
}

fn outcomes(run: &JobRun) -> Vec<AttemptOutcome> {
    run.attempts.iter().map(|attempt| attempt.outcome.unwrap()).collect()
}

/// The node that it runs on by now.
fn node(world: &mut World) -> String {
    let runs = |world: &World| world.agents.values().any(|agent| agent.processes.values().any(|one| one.runs_once()));
    world.until(20_000, runs);
    let (_, attempt) = world.state.jobs["move"].open().unwrap();
    attempt.node.clone().unwrap().to_string()
}

#[test]
fn a_job_runs_once_for_each_revision() {
    let mut world = world(&declared(job("v1")));
    let first = until_over(&mut world, 1).remove(0);
    assert_eq!((first.outcome, first.cause, first.failures), (Some(RunOutcome::Succeeded), RunCause::Declared, 0));
    assert_eq!(first.attempts[0].exit_code, Some(0));
    assert!(world.state.jobs["move"].is_done());
    world.run(20_000);
    let mut more = declared(job("v1"));
    more.jobs.get_mut("move").unwrap().retries = 7;
    world.apply(&more);
    world.run(20_000);
    assert_eq!(runs(&world).len(), 1, "its unit is the same");
    world.apply(&declared(job("v2")));
    assert!(!world.state.jobs["move"].is_done());
    until_over(&mut world, 2);
    assert!(world.state.jobs["move"].is_done());
    assert_eq!(world.state.jobs["move"].units.len(), 1);
    assert!(world.state.holders.is_empty());
    world.apply(&spec(3, &[]));
    world.run(1_000);
    assert!(world.state.jobs.is_empty());
}

#[test]
fn one_that_fails_is_tried_again_after_pauses_and_then_has_failed() {
    let mut world = world(&declared(job("fails")));
    let run = until_over(&mut world, 1).remove(0);
    assert_eq!(run.outcome, Some(RunOutcome::Failed));
    assert_eq!(outcomes(&run), [AttemptOutcome::Failed; 3]);
    assert_eq!(run.message, "move/2 exit status 1, after 3 attempts");
    let pauses: Vec<u64> = run.attempts.windows(2).map(|pair| pair[1].began - pair[0].ended.unwrap()).collect();
    assert!((1_000..1_500).contains(&pauses[0]) && (2_000..2_500).contains(&pauses[1]), "{pauses:?}");
    world.run(60_000);
    assert_eq!(runs(&world).len(), 1);
}

#[test]
fn one_that_ends_well_at_last_has_succeeded() {
    let mut world = world(&declared(job("third")));
    let run = until_over(&mut world, 1).remove(0);
    assert_eq!((run.outcome, run.failures), (Some(RunOutcome::Succeeded), 2));
}

#[test]
fn a_service_waits_for_it() {
    let mut world = world(&with_web("v1", job("third")));
    while world.state.jobs["move"].history.is_empty() {
        assert_eq!(world.healthy("web"), 0);
        assert!(world.node_of("web/0").is_none());
        world.run(50);
    }
    world.until(20_000, |world| world.healthy("web") == 2 && world.rollout() == RolloutState::Done);
    // A rollout waits for a changed job as well, and says so.
    world.apply(&with_web("v2", job("third-long")));
    world.run(5_000);
    let before = world.status().services.remove(0);
    assert_eq!(before.rollout.unwrap().message, "waits for the job move");
    assert_eq!((before.healthy, before.updated), (2, 0));
    world.apply(&with_web("v2", job("v3")));
    world.until(60_000, |world| world.rollout() == RolloutState::Done && world.healthy("web") == 2);
}

#[test]
fn a_failed_job_fails_what_waits_for_it() {
    let mut world = world(&with_web("v1", job("fails")));
    world.until(60_000, |world| world.rollout() == RolloutState::Failed);
    world.run(20_000);
    assert_eq!(world.healthy("web"), 0);
    let message = world.status().services.remove(0).rollout.unwrap().message;
    assert_eq!(message, "the job move failed: move/2 exit status 1, after 3 attempts");
    // Once it has succeeded after all, the service starts.
    world.apply(&with_web("v1", job("v2")));
    world.until(60_000, |world| world.healthy("web") == 2 && world.rollout() == RolloutState::Done);
}

#[test]
fn a_lost_node_costs_an_attempt_and_the_next_one_waits_until_the_last_is_surely_over() {
    let mut world = world(&declared(job("v1-long")));
    let first = node(&mut world);
    world.agents.get_mut(first.as_str()).unwrap().connected = false;
    let again = |world: &World| world.state.jobs["move"].open().is_some_and(|(_, attempt)| attempt.index == 1);
    let took = world.until(30_000, again);
    assert!(took > 2_000, "{took} ms");
    assert_ne!(node(&mut world), first);
    let attempts = &world.state.jobs["move"].run.as_ref().unwrap().attempts;
    assert_eq!(attempts[0].outcome, Some(AttemptOutcome::Lost));
    world.change_leader();
    world.run(10_000);
    assert!(again(&world), "another leader changes nothing");
}

#[test]
fn a_node_that_comes_back_in_time_tells_that_it_ended_well() {
    let mut world = world(&declared(job("v1")));
    let first = node(&mut world);
    world.agents.get_mut(first.as_str()).unwrap().connected = false;
    let lost = |world: &World| {
        let run = world.state.jobs["move"].run.as_ref().unwrap();
        run.attempts[0].outcome == Some(AttemptOutcome::Lost)
    };
    world.until(10_000, lost);
    world.agents.get_mut(first.as_str()).unwrap().connected = true;
    let run = until_over(&mut world, 1).remove(0);
    assert_eq!((run.outcome, outcomes(&run)), (Some(RunOutcome::Succeeded), vec![AttemptOutcome::Succeeded]));
}

#[test]
fn the_deadline_bounds_all_attempts_together() {
    let mut world = world(&declared(job("v1-long")));
    let run = until_over(&mut world, 1).remove(0);
    assert_eq!((run.outcome, run.message.as_str()), (Some(RunOutcome::Failed), "it was not done within 30s"));
    assert_eq!(outcomes(&run), [AttemptOutcome::Stopped]);
    world.until(10_000, |world| world.state.holders.is_empty());
    assert!(world.agents.values().all(|agent| agent.processes.is_empty()));
}

#[test]
fn another_revision_ends_the_run_of_the_one_before() {
    let mut world = world(&declared(job("v1-long")));
    node(&mut world);
    world.apply(&declared(job("v2")));
    let runs = until_over(&mut world, 2);
    assert_eq!((runs[0].outcome, runs[1].outcome), (Some(RunOutcome::Stopped), Some(RunOutcome::Succeeded)));
}

#[test]
fn someone_may_ask_for_a_run_but_not_for_two_at_once() {
    let mut world = world(&declared(job("v1")));
    until_over(&mut world, 1);
    let revision = world.state.jobs["move"].revision;
    let step = JobStep::Start { cause: RunCause::Asked, revision, next: None };
    let ask = Command::Job { at: world.now, job: name("move"), step };
    assert!(matches!(world.propose(ask.clone()), Applied::Done(_)));
    let refused = Applied::Refused("run 2 of the job move is still under way".into());
    assert_eq!(world.propose(ask), refused);
    let runs = until_over(&mut world, 2);
    assert_eq!((runs[1].outcome, runs[1].cause), (Some(RunOutcome::Succeeded), RunCause::Asked));
}

/// Every minute; the model begins at 1970-01-01 00:16:40.
fn scheduled(version: &str) -> Spec {
    let schedule = Schedule { cron: "* * * * *".into(), timezone: Schedule::utc() };
    declared(Job { schedule: Some(schedule), ..job(version) })
}

#[test]
fn a_schedule_is_kept_and_what_is_missed_is_made_up_for_once() {
    let mut world = world(&scheduled("v1"));
    world.run(15_000);
    assert!(runs(&world).is_empty(), "its time has not come");
    let first = until_over(&mut world, 1).remove(0);
    assert_eq!(first.cause, RunCause::Schedule);
    assert!((1_020_000..1_021_000).contains(&first.asked), "{}", first.asked);
    let second = until_over(&mut world, 2).remove(1);
    assert!((1_080_000..1_081_000).contains(&second.asked), "{}", second.asked);
    // Nobody leads for ten minutes.
    world.now += 600_000;
    world.change_leader();
    world.run(25_000);
    let made_up = runs(&world);
    assert_eq!(made_up.len(), 3, "{made_up:#?}");
    let fourth = until_over(&mut world, 4).remove(3);
    assert!(fourth.asked % 60_000 < 1_000, "{}", fourth.asked);
}

#[test]
fn a_run_that_still_goes_lets_the_next_one_be_skipped_and_says_so() {
    let mut spec = scheduled("v1-long");
    spec.jobs.get_mut("move").unwrap().deadline = "100s".parse().unwrap();
    let mut world = world(&spec);
    let run = until_over(&mut world, 1).remove(0);
    assert_eq!((run.outcome, run.attempts.len()), (Some(RunOutcome::Failed), 1));
    let said = "job move: a run that was due is skipped: run 1 is still under way".to_owned();
    assert!(world.messages().contains(&said), "{:#?}", world.messages());
}
