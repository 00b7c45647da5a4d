use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Something that happens to a node.
#[derive(Debug, Clone)]
enum Step {
    /// A plan with these versions of `web/0`, `web/1`, `web/2`; 0 is one that is not wanted.
    Plan([u32; 3]),
    /// Time goes by.
    Wait(u64),
    /// The process that is being started is there, or is not.
    Launch(usize, bool),
    /// The process ends.
    End(usize),
    /// The question that was put is answered.
    Answer(usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        [0u32..3, 0u32..3, 0u32..3].prop_map(Step::Plan),
        (0u64..4_000).prop_map(Step::Wait),
        (0usize..3, any::<bool>()).prop_map(|(which, good)| Step::Launch(which, good)),
        (0usize..3).prop_map(Step::End),
        (0usize..3, any::<bool>()).prop_map(|(which, good)| Step::Answer(which, good)),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What really is, beside what the agent thinks.
#[derive(Default)]
struct Truth {
    starting: BTreeSet<String>,
    running: BTreeSet<String>,
    asked: BTreeSet<String>,
}

const IDS: [&str; 3] = ["web/0", "web/1", "web/2"];

fn versions(versions: [u32; 3]) -> NodePlan {
    let units = versions.map(|version| unit(version, (version == 2).then(health)));
    let wanted = IDS.iter().zip(&units).zip(versions).filter(|(_, version)| *version > 0);
    plan(&wanted.map(|((id, unit), _)| (*id, unit)).collect::<Vec<_>>())
}

impl Truth {
    /// Carries out what is decided, and insists that it can be.
    fn carry_out(&mut self, world: &mut World) {
        for _ in 0..10 {
            let (actions, due) = world.decide();
            assert!(due.is_none_or(|due| due > world.now) || !actions.is_empty(), "due, and nothing is done");
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Start { id, .. } => {
                        assert!(!self.running.contains(&id.to_string()), "{id} would run twice");
                        assert!(self.starting.insert(id.to_string()), "{id} is being started already");
                    }
                    Action::Stop { id } => {
                        let id = id.to_string();
                        assert!(self.running.contains(&id) || self.starting.contains(&id));
                    }
                    Action::Kill { id } => assert!(self.running.contains(&id.to_string())),
                    Action::Probe { id, .. } => {
                        assert!(self.running.contains(&id.to_string()));
                        assert!(self.asked.insert(id.to_string()), "{id} is asked twice at once");
                    }
                    Action::Remove { id } => {
                        assert!(!self.running.contains(&id.to_string()) && !self.starting.contains(&id.to_string()));
                    }
                }
            }
        }
        panic!("it never comes to rest");
    }

    fn launch(&mut self, world: &mut World, id: &str, good: bool) {
        if self.starting.remove(id) {
            if good {
                self.running.insert(id.to_owned());
                world.note(id, started());
            } else {
                world.note(id, Event::NotStarted { message: "no".into(), retry: true });
            }
        }
    }

    fn end(&mut self, world: &mut World, id: &str) {
        if self.running.remove(id) {
            self.asked.remove(id);
            world.note(id, ended("exited with status 1"));
        }
    }

    fn answer(&mut self, world: &mut World, id: &str, is_good: bool) {
        if self.asked.remove(id) {
            world.note(id, if is_good { good() } else { bad("no") });
        }
    }
}

proptest! {
    /// Whatever happens in whatever order, nothing runs twice, and in the end what is wanted runs and nothing else.
    #[test]
    fn nothing_runs_twice_and_all_comes_to_rest(steps in steps(), last in [0u32..3, 0u32..3, 0u32..3]) {
        let mut world = World::new(versions([0, 0, 0]));
        let mut truth = Truth::default();
        for step in steps {
            match step {
                Step::Plan(wanted) => world.plan = Some(versions(wanted)),
                Step::Wait(millis) => world.now += Duration::from_millis(millis),
                Step::Launch(which, good) => truth.launch(&mut world, IDS[which], good),
                Step::End(which) => truth.end(&mut world, IDS[which]),
                Step::Answer(which, good) => truth.answer(&mut world, IDS[which], good),
            }
            truth.carry_out(&mut world);
        }
        world.plan = Some(versions(last));
        // From here on everything goes well, and what is asked to end does.
        for _ in 0..20 {
            truth.carry_out(&mut world);
            for id in IDS {
                truth.launch(&mut world, id, true);
                truth.answer(&mut world, id, true);
                let ending = world.local.report(world.now).into_iter().find(|(_, report)| report.replica.to_string() == id);
                if ending.is_some_and(|(_, report)| {
                    matches!(report.state, icefield_api::ReplicaState::Stopping | icefield_api::ReplicaState::Unhealthy)
                }) {
                    truth.end(&mut world, id);
                }
            }
            world.now += Duration::from_secs(40);
        }
        let wanted: BTreeSet<String> = world.plan.iter().flat_map(|plan| plan.replicas.keys()).map(ToString::to_string).collect();
        prop_assert_eq!(&truth.running, &wanted);
        let report = world.local.report(world.now);
        prop_assert_eq!(report.len(), wanted.len());
        prop_assert!(report.iter().all(|(_, report)| report.state == icefield_api::ReplicaState::Healthy));
    }
}
