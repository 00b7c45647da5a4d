//! The machine that decides, in the hands of a model: a machine whose commands fail, hang and are cut off at will.

use std::collections::BTreeSet;

use icefield_plan::PlannedSystem;
use icefield_spec::{Millis, StorePath};
use proptest::prelude::*;

use super::attempt::{Action, Attempt, Before, Facts};
use super::clock::Clock;
use super::step::Step;

fn system(letter: char) -> StorePath {
    StorePath::new(&format!("/nix/store/{}-nixos-system", String::from(letter).repeat(32))).unwrap()
}

fn wanted(letter: char) -> PlannedSystem {
    PlannedSystem {
        path: system(letter),
        asked: u64::from(letter as u32),
        reboot: false,
        drained: false,
        healthy_for: Millis::new(1_000),
        confirm: Millis::new(10_000),
        health: None,
    }
}

/// A machine with its profile and what it runs.
#[derive(Debug, Clone)]
struct Model {
    profile: Option<Before>,
    running: StorePath,
    /// What the machine starts with the next time.
    next: StorePath,
    has: BTreeSet<StorePath>,
    other_kernel: bool,
    boots: u32,
    uptime: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            profile: Some(Before { system: system('a'), number: Some(1) }),
            running: system('a'),
            next: system('a'),
            has: BTreeSet::from([system('a')]),
            other_kernel: false,
            boots: 1,
            uptime: 1_000,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            profile: self.profile.clone(),
            running: Some(self.running.clone()),
            booted: None,
            needs_restart: self.other_kernel,
            healthy: BTreeSet::new(),
        }
    }

    fn clock(&self) -> Clock {
        Clock { wall: 5_000_000 + self.uptime, boot: format!("boot {}", self.boots), uptime: self.uptime }
    }

    fn reboot(&mut self) {
        self.boots += 1;
        self.uptime = 10;
        self.running = self.next.clone();
    }

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::Fetch(path) => drop(self.has.insert(path.clone())),
            Action::Verify(path) => assert!(self.has.contains(path)),
            Action::SetProfile(path) => {
                assert!(self.has.contains(path), "only what is there is named");
                let number = self.profile.as_ref().and_then(|profile| profile.number).unwrap_or_default() + 1;
                self.profile = Some(Before { system: path.clone(), number: Some(number) });
            }
            Action::RestoreProfile(before) => self.profile = Some(before.clone()),
            Action::Switch(path) => (self.running, self.next) = (path.clone(), path.clone()),
            Action::Boot(path) => self.next = path.clone(),
            Action::Reboot => self.reboot(),
        }
    }

    /// Whether one system is there as a whole: named, running, and what the machine starts with.
    fn is_whole(&self, letter: char) -> bool {
        let path = system(letter);
        self.running == path && self.next == path && self.profile.as_ref().is_some_and(|profile| profile.system == path)
    }
}

/// Lets an attempt do all that it has to do and can.
fn run(model: &mut Model, attempt: &mut Attempt, mut fails: impl FnMut(Step) -> bool) {
    for _ in 0..100 {
        let Some(action) = attempt.action() else { return };
        let (step, boots) = (attempt.step, model.boots);
        let result = if fails(step) { Err("it broke".to_owned()) } else { Ok(()) };
        if result.is_ok() {
            model.carry_out(&action);
        }
        if model.boots != boots {
            // The agent ended with the machine.
            attempt.resume(&model.facts(), &model.clock());
        } else {
            attempt.done(result, &model.facts(), &model.clock());
        }
    }
    panic!("no end: {attempt:?}");
}

fn begin(model: &Model, letter: char) -> Attempt {
    Attempt::begin(wanted(letter), 7, &model.facts(), &model.clock())
}

fn confirm(model: &mut Model, attempt: &mut Attempt, well: bool) {
    let answer = || if well { Ok(true) } else { Err("no server answers".to_owned()) };
    attempt.judge(answer(), &model.facts(), &model.clock());
    model.uptime += 10_000;
    attempt.judge(answer(), &model.facts(), &model.clock());
}

#[test]
fn what_does_well_stays() {
    let mut model = Model::new();
    let mut attempt = begin(&model, 'b');
    run(&mut model, &mut attempt, |_| false);
    assert_eq!(attempt.step, Step::Confirm);
    confirm(&mut model, &mut attempt, true);
    assert!(attempt.step == Step::Active && model.is_whole('b'));
    assert_eq!(begin(&model, 'b').step, Step::Active, "what is there already needs nothing");
}

#[test]
fn what_is_not_confirmed_in_time_is_gone_back_from() {
    let mut model = Model::new();
    let mut attempt = begin(&model, 'b');
    run(&mut model, &mut attempt, |_| false);
    attempt.judge(Err("no server answers".into()), &model.facts(), &model.clock());
    assert_eq!(attempt.step, Step::Confirm, "it has time yet");
    confirm(&mut model, &mut attempt, false);
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.step == Step::RolledBack && model.is_whole('a'));
    assert_eq!(attempt.reason, "not confirmed within 10s: no server answers");
    assert_eq!(model.profile.unwrap().number, Some(1), "the generation before, by its own number");
}

#[test]
fn each_step_that_fails_leaves_the_system_before() {
    for (broken, end) in [
        (Step::Fetch, Step::Failed),
        (Step::Verify, Step::Failed),
        (Step::SetProfile, Step::RolledBack),
        (Step::Switch, Step::RolledBack),
    ] {
        let mut model = Model::new();
        let mut attempt = begin(&model, 'b');
        run(&mut model, &mut attempt, |step| step == broken);
        assert!(attempt.step == end && model.is_whole('a'), "{broken:?}: {attempt:?}");
        assert!(attempt.reason.contains("it broke"), "{}", attempt.reason);
    }
}

#[test]
fn another_kernel_waits_until_the_machine_may_be_restarted() {
    let mut model = Model { other_kernel: true, ..Model::new() };
    let mut attempt = begin(&model, 'b');
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.step == Step::AwaitDrain && model.is_whole('a'));
    attempt.wanted.drained = true;
    attempt.look(&model.facts(), &model.clock());
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.step == Step::Confirm && model.boots == 2, "{attempt:?}");
    confirm(&mut model, &mut attempt, false);
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.step == Step::RolledBack && model.is_whole('a') && model.boots == 3, "{attempt:?} {model:?}");
}

#[test]
fn a_machine_that_comes_back_with_the_old_system_goes_back_without_another_restart() {
    let mut model = Model { other_kernel: true, ..Model::new() };
    let mut attempt = begin(&model, 'b');
    attempt.wanted.drained = true;
    while attempt.step != Step::Reboot {
        let action = attempt.action().unwrap();
        model.carry_out(&action);
        attempt.done(Ok(()), &model.facts(), &model.clock());
    }
    model.next = system('a');
    model.reboot();
    attempt.resume(&model.facts(), &model.clock());
    let boots = model.boots;
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.step == Step::RolledBack && model.is_whole('a') && model.boots == boots, "{attempt:?}");
    assert!(attempt.reason.starts_with("the machine came back with aaaaaaaa-"), "{}", attempt.reason);
}

#[test]
fn a_system_that_keeps_ending_its_machine_is_gone_back_from() {
    let mut model = Model::new();
    let mut attempt = begin(&model, 'b');
    run(&mut model, &mut attempt, |_| false);
    for _ in 0..3 {
        assert_eq!(attempt.step, Step::Confirm);
        model.reboot();
        attempt.resume(&model.facts(), &model.clock());
    }
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.step == Step::RolledBack && model.is_whole('a'));
    assert_eq!(attempt.reason, "the machine was restarted 3 times before it was confirmed");
}

#[test]
fn what_is_asked_for_next_waits_until_what_is_open_is_gone_back_from() {
    let mut model = Model::new();
    let mut attempt = begin(&model, 'b');
    assert!(attempt.give_way(&model.facts(), &model.clock()), "nothing was changed yet");
    run(&mut model, &mut attempt, |_| false);
    assert!(!attempt.give_way(&model.facts(), &model.clock()));
    run(&mut model, &mut attempt, |_| false);
    assert!(attempt.give_way(&model.facts(), &model.clock()) && model.is_whole('a'));
}

proptest! {
    /// Whatever fails, and wherever the agent is killed or the machine loses power, it ends with one system as a whole; and
    /// with the new one only if that did well.
    #[test]
    fn ends_with_the_old_or_the_new_system(
        cuts in proptest::collection::vec((0_u8..8, any::<bool>(), any::<bool>()), 1..40),
        other_kernel: bool,
        well: bool,
    ) {
        let mut model = Model { other_kernel, ..Model::new() };
        let mut attempt = begin(&model, 'b');
        attempt.wanted.drained = true;
        for (what, done, power) in cuts {
            let before = attempt.clone();
            let boots = model.boots;
            match attempt.action() {
                Some(action) => {
                    // On the way back nothing fails: there is no other.
                    let way_back = matches!(attempt.step, Step::RestoreProfile | Step::SwitchBack | Step::RebootBack);
                    let fails = what == 0 && !way_back;
                    if done && !fails {
                        model.carry_out(&action);
                    }
                    // Killed before what came of it was noted, or not.
                    if what < 3 && model.boots == boots {
                        let result = if fails { Err("it broke".to_owned()) } else if done { Ok(()) } else { continue };
                        attempt.done(result, &model.facts(), &model.clock());
                        continue;
                    }
                    attempt = before;
                }
                None => confirm(&mut model, &mut attempt, well),
            }
            if power && model.boots == boots {
                model.reboot();
            }
            attempt.resume(&model.facts(), &model.clock());
        }
        for _ in 0..10 {
            run(&mut model, &mut attempt, |_| false);
            confirm(&mut model, &mut attempt, well);
        }
        prop_assert!(attempt.step.state().is_final(), "{attempt:?}");
        let expected = if attempt.step == Step::Active { 'b' } else { 'a' };
        prop_assert!(model.is_whole(expected), "{attempt:?} {model:?}");
        prop_assert!(well || expected == 'a');
    }
}
