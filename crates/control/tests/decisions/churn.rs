//! Anything that can happen, in any order: once it stops, the cluster comes to rest where it should.

use icefield_api::NodeAction;
use icefield_control::Command;
use icefield_control::state::RebalanceStep;
use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
use proptest::prelude::*;

use crate::declare::{daemon, name, service, singleton, spec, store};
use crate::world::World;

const NODES: u32 = 4;

#[derive(Debug, Clone)]
enum Happening {
    Apply {
        version: u8,
        replicas: u32,
        other: bool,
        nodes: u32,
    },
    Wish {
        node: u32,
        action: NodeAction,
    },
    LosePower(u32),
    GainPower(u32),
    CutOff(u32),
    /// So many nodes are cut off in one moment.
    CutOffTogether(u32),
    /// The agent of a node stands still.
    Pause {
        node: u32,
        millis: u64,
    },
    /// What the agent of a node says is under way for so long from now on.
    Slow {
        node: u32,
        millis: u64,
    },
    Reconnect(u32),
    Crash {
        at: usize,
    },
    /// Each of these replicas is to go to the next node.
    Rebalance {
        of: Vec<u32>,
    },
    ChangeLeader,
    Stall(u64),
    Time(u64),
}

fn wish() -> impl Strategy<Value = NodeAction> {
    prop::sample::select(vec![
        NodeAction::Cordon,
        NodeAction::Drain,
        NodeAction::Drain,
        NodeAction::Uncordon,
        NodeAction::Remove,
        NodeAction::ForceRemove,
    ])
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..5_u8, 0..7_u32, any::<bool>(), 1..=NODES)
            .prop_map(|(version, replicas, other, nodes)| Happening::Apply { version, replicas, other, nodes }),
        2 => (1..=NODES, wish()).prop_map(|(node, action)| Happening::Wish { node, action }),
        2 => (1..=NODES).prop_map(Happening::LosePower),
        2 => (1..=NODES).prop_map(Happening::GainPower),
        1 => (1..=NODES).prop_map(Happening::CutOff),
        1 => (2..=NODES).prop_map(Happening::CutOffTogether),
        1 => (1..=NODES, 0..3_000_u64).prop_map(|(node, millis)| Happening::Pause { node, millis }),
        1 => (1..=NODES, 0..900_u64).prop_map(|(node, millis)| Happening::Slow { node, millis }),
        2 => (1..=NODES).prop_map(Happening::Reconnect),
        2 => (0..8_usize).prop_map(|at| Happening::Crash { at }),
        2 => prop::collection::vec(0..6_u32, 1..4).prop_map(|of| Happening::Rebalance { of }),
        1 => Just(Happening::ChangeLeader),
        1 => (0..4_000_u64).prop_map(Happening::Stall),
        6 => (0..6_000_u64).prop_map(Happening::Time),
    ]
}

fn happen(world: &mut World, happening: &Happening) {
    match *happening {
        Happening::Apply { version, replicas, other, nodes } => {
            let version = ["v1", "v2", "v3", "v4-crash", "v5-never"][usize::from(version)];
            let mut services = vec![("web", service(version, replicas))];
            if other {
                services.extend([
                    ("api", service("v1", 2)),
                    ("log", daemon(version)),
                    ("db", store("v1", replicas / 2)),
                    ("one", singleton(version, 2)),
                ]);
            }
            world.apply(&spec(nodes, &services));
        }
        Happening::Wish { node, action } => {
            let node = name(&format!("n{node}"));
            world.propose(Command::Node { at: world.now, node, action });
        }
        Happening::CutOffTogether(nodes) => {
            for node in 1..=nodes {
                happen(world, &Happening::CutOff(node));
            }
        }
        Happening::Pause { node, millis } => {
            world.agents.get_mut(&name(&format!("n{node}"))).unwrap().paused = world.now + millis;
        }
        Happening::Slow { node, millis } => {
            world.agents.get_mut(&name(&format!("n{node}"))).unwrap().delay = millis;
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
        Happening::Rebalance { ref of } => rebalance(world, of),
        Happening::ChangeLeader => world.change_leader(),
        Happening::Stall(millis) => world.stall(millis),
        Happening::Time(millis) => world.run(millis),
    }
}

fn rebalance(world: &mut World, of: &[u32]) {
    let change = |(index, current): (u32, &Assignment)| {
        let number: u32 = current.node.as_str()[1..].parse().unwrap();
        let to = Assignment { node: name(&format!("n{}", number % NODES + 1)), ..current.clone() };
        let kind = ChangeKind::Move { from: current.node.clone(), to };
        Change { replica: ReplicaId::new(name("web"), index), kind, reason: "why not".into() }
    };
    let placed = world.state.placed.placement().service("web").filter(|(index, _)| of.contains(index));
    let step = RebalanceStep::Start { seen: world.state.version, changes: placed.map(change).collect() };
    world.propose(Command::Rebalance { at: world.now, step });
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
            agent.delay = 0;
            // One whose node was removed joins again only so.
            agent.restart();
        }
        world.run(2_000);
        for node in 1..=NODES {
            happen(&mut world, &Happening::Wish { node, action: NodeAction::Uncordon });
        }
        world.apply(&spec(NODES, &[("web", service("v9", 5)), ("log", daemon("v9")), ("db", store("v9", 3)), ("one", singleton("v9", 2))]));
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
