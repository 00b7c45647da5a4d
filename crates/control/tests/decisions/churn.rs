//! Anything that can happen, in any order: once it stops, the cluster comes to rest where it should.

use proptest::prelude::*;

use crate::declare::{name, service, spec};
use crate::world::World;

const NODES: u32 = 4;

#[derive(Debug, Clone)]
enum Happening {
    Apply { version: u8, replicas: u32, other: bool },
    LosePower(u32),
    GainPower(u32),
    CutOff(u32),
    Reconnect(u32),
    Crash { at: usize },
    ChangeLeader,
    Stall(u64),
    Time(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..5_u8, 0..7_u32, any::<bool>())
            .prop_map(|(version, replicas, other)| Happening::Apply { version, replicas, other }),
        2 => (1..=NODES).prop_map(Happening::LosePower),
        2 => (1..=NODES).prop_map(Happening::GainPower),
        1 => (1..=NODES).prop_map(Happening::CutOff),
        1 => (1..=NODES).prop_map(Happening::Reconnect),
        2 => (0..8_usize).prop_map(|at| Happening::Crash { at }),
        1 => Just(Happening::ChangeLeader),
        1 => (0..4_000_u64).prop_map(Happening::Stall),
        6 => (0..6_000_u64).prop_map(Happening::Time),
    ]
}

fn happen(world: &mut World, happening: &Happening) {
    match *happening {
        Happening::Apply { version, replicas, other } => {
            let version = ["v1", "v2", "v3", "v4-crash", "v5-never"][usize::from(version)];
            let mut services = vec![("web", service(version, replicas))];
            if other {
                services.push(("api", service("v1", 2)));
            }
            world.apply(&spec(NODES, &services));
        }
        Happening::LosePower(node) => world.agents.get_mut(&name(&format!("n{node}"))).unwrap().lose_power(),
        Happening::GainPower(node) => world.agents.get_mut(&name(&format!("n{node}"))).unwrap().powered = true,
        Happening::CutOff(node) => world.agents.get_mut(&name(&format!("n{node}"))).unwrap().connected = false,
        Happening::Reconnect(node) => world.agents.get_mut(&name(&format!("n{node}"))).unwrap().connected = true,
        Happening::Crash { at } => {
            let now = world.now;
            let mut processes = world.agents.values_mut().flat_map(|agent| agent.processes.values_mut());
            if let Some(process) = processes.nth(at) {
                process.crash(now);
            }
        }
        Happening::ChangeLeader => world.change_leader(),
        Happening::Stall(millis) => world.stall(millis),
        Happening::Time(millis) => world.run(millis),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn comes_to_rest(happenings in prop::collection::vec(happening(), 1..25)) {
        let mut world = World::new(NODES);
        for happening in &happenings {
            happen(&mut world, happening);
        }
        for agent in world.agents.values_mut() {
            agent.powered = true;
            agent.connected = true;
        }
        world.apply(&spec(NODES, &[("web", service("v9", 5))]));
        world.until(120_000, World::is_settled);
        prop_assert_eq!(world.state.services["web"].target, crate::declare::unit("v9").revision());
    }

    #[test]
    fn is_the_same_each_time(happenings in prop::collection::vec(happening(), 1..12)) {
        let run = || {
            let mut world = World::new(NODES);
            for happening in &happenings {
                happen(&mut world, happening);
            }
            world.state
        };
        prop_assert_eq!(run(), run());
    }
}
