//! Any commands in any order, also such as no server would propose: the state stays whole.

use std::collections::BTreeMap;

use icefield_api::{Capacity, EventKind, NodeAction, RolloutAction};
use icefield_control::state::{Expected, Fingerprint, Proposal, RebalanceStep, Request, RolloutStep};
use icefield_control::{Applied, Command, State};
use icefield_placement::{Assignment, Change, ChangeKind, ReplicaId};
use icefield_spec::{Bytes, Cpu, Millis, Name, Revision, Share, Wait};
use proptest::prelude::*;

use crate::declare::{name, service, spec, unit};

const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];

fn node() -> impl Strategy<Value = Name> {
    (1..=4_u32).prop_map(|number| name(&format!("n{number}")))
}

fn service_name() -> impl Strategy<Value = Name> {
    prop::sample::select(vec!["web", "api"]).prop_map(name)
}

fn revision() -> impl Strategy<Value = Revision> {
    prop::sample::select(VERSIONS.to_vec()).prop_map(|version| unit(version).revision())
}

fn change() -> impl Strategy<Value = Change> {
    let replica = (service_name(), 0..5_u32).prop_map(|(service, index)| ReplicaId::new(service, index));
    let to = (node(), revision()).prop_map(|(node, revision)| Assignment { node, revision, ports: BTreeMap::new() });
    let kind = (0..4_u8, node(), to).prop_map(|(kind, from, to)| match kind {
        0 => ChangeKind::Place { to },
        1 => ChangeKind::Move { from, to },
        2 => ChangeKind::Replace { to },
        _ => ChangeKind::Remove { from },
    });
    (replica, kind).prop_map(|(replica, kind)| Change { replica, kind, reason: "why not".into() })
}

fn step() -> impl Strategy<Value = RolloutStep> {
    prop_oneof![
        2 => prop::collection::vec(0..6_u32, 0..4).prop_map(|indexes| RolloutStep::Advance { indexes }),
        2 => (prop::collection::vec(0..9_u32, 0..4), any::<bool>())
            .prop_map(|(indexes, hidden)| RolloutStep::Add { indexes, hidden }),
        1 => prop::collection::vec(0..9_u32, 0..4).prop_map(|indexes| RolloutStep::Drop { indexes }),
        1 => prop::sample::select(vec![RolloutStep::Begin, RolloutStep::Hold, RolloutStep::Proceed]),
        2 => Just(RolloutStep::Switch),
        1 => Just(RolloutStep::Finish),
        1 => Just(RolloutStep::Fail { reason: "it crashed".into() }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let services = (0..4_usize, 0..5_u32, 0..4_usize, 0..5_u32);
    let kind = prop::sample::select(vec![
        icefield_spec::Strategy::Rolling,
        icefield_spec::Strategy::Canary { share: Share::Count(1), wait: Wait::Confirm },
        icefield_spec::Strategy::BlueGreen { wait: Wait::Confirm, keep: Millis::new(5) },
    ]);
    let expect = prop::option::weighted(0.3, (prop::option::of(revision()), prop::option::of(0..3_u64)));
    let apply = (1..=4_u32, services, expect, kind).prop_map(
        |(nodes, (web, web_replicas, api, api_replicas), expect, kind)| {
            let declared = [("web", web, web_replicas), ("api", api, api_replicas)].into_iter();
            let services = declared
                .filter_map(|(text, version, replicas)| Some((text, service(VERSIONS.get(version)?, replicas))));
            let mut spec = spec(nodes, &services.collect::<Vec<_>>());
            if let Some(web) = spec.services.get_mut("web") {
                (web.update.kind, web.update.max_surge) = (kind, 2);
            }
            let expect = expect.map(|(spec, basis)| Expected { spec, basis });
            Command::Apply { at: 1, spec: Box::new(spec), expect }
        },
    );
    let place = (0..3_u64, prop::collection::vec(change(), 0..4)).prop_map(|(ago, changes)| Command::Place {
        at: 2,
        seen: ago,
        changes,
    });
    let register = (node(), 0..2_u8).prop_map(|(node, address)| Command::Register {
        at: 3,
        node,
        address: format!("10.0.0.{address}"),
        api: "http://10.0.0.1:1".into(),
        capacity: Capacity { cpu: Cpu::from_millis(1), memory: Bytes::new(1), ports: None },
        drivers: vec!["exec".into()],
        started: u64::from(address),
    });
    let lease =
        (node(), any::<bool>()).prop_map(|(node, lost)| Command::Lease { at: 4, node, lost, reason: "silence".into() });
    let actions =
        [NodeAction::Cordon, NodeAction::Drain, NodeAction::Uncordon, NodeAction::Remove, NodeAction::ForceRemove];
    let action = prop::sample::select(actions.to_vec());
    let wish = (node(), action).prop_map(|(node, action)| Command::Node { at: 5, node, action });
    let rollout = (service_name(), revision(), step()).prop_map(|(service, to, step)| Command::Rollout {
        at: 6,
        service,
        to,
        seen: None,
        step,
    });
    let actions = [RolloutAction::Pause, RolloutAction::Resume, RolloutAction::Confirm, RolloutAction::Undo];
    let steer = (service_name(), prop::sample::select(actions.to_vec())).prop_map(|(service, action)| Command::Steer {
        at: 9,
        service,
        action,
    });
    let note = Just(Command::Note { at: 7, notes: vec![(EventKind::Leader, "s1".into(), "leads".into())] });
    let rebalance = prop_oneof![
        4 => (0..2_u64, prop::collection::vec(change(), 0..4))
            .prop_map(|(ago, changes)| RebalanceStep::Start { seen: ago, changes }),
        1 => Just(RebalanceStep::End { reason: "enough".into() }),
    ];
    let rebalance = rebalance.prop_map(|step| Command::Rebalance { at: 8, step });
    prop_oneof![2 => rebalance, 3 => apply, 6 => place, 2 => register, 1 => lease, 1 => wish, 4 => rollout, 2 => steer, 1 => note]
}

/// What must hold of every state.
fn check(state: &State) {
    let text = serde_json::to_string(state).unwrap();
    // What follows from the rest is not written, so this also holds it against what is built anew.
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), *state, "it reads back as it was");
    assert!(state.basis <= state.version);
    for (replica, assignment) in state.placed.placement().iter() {
        let record = &state.services[&replica.service];
        assert!(record.units.contains_key(&assignment.revision), "{replica} has a unit");
        assert!(state.nodes.contains_key(&assignment.node), "{replica} is on a node");
        assert!(state.placed.decision(&replica).is_some(), "{replica} is there for a reason");
    }
    for (service, record) in &state.services {
        let declared = state.spec.as_ref().is_some_and(|spec| spec.services.contains_key(service));
        assert!(declared || state.placed.has_service(service.as_str()), "{service} is for something");
        assert!(record.units.contains_key(&record.target), "{service} can go where it goes");
        assert!(record.good.is_none_or(|good| record.units.contains_key(&good)), "{service} can go back");
        assert!(record.previous.is_none_or(|before| record.units.contains_key(&before)), "{service} can be undone");
        assert_ne!(record.previous, Some(record.target), "{service} is not undone to where it is");
        let Some(declared) = state.spec.as_ref().and_then(|spec| spec.services.get(service)) else { continue };
        let own = record.own(declared.replicas);
        assert_eq!(own.len(), declared.replicas as usize, "{service} has as many as it declares");
        let beside: Vec<u32> = record.rollout.beside().collect();
        let each: std::collections::BTreeSet<u32> = own.iter().chain(&beside).copied().collect();
        assert_eq!(each.len(), own.len() + beside.len(), "none of {service} is two things at once");
        assert!(!record.rollout.is_over() || beside.is_empty(), "{service} has none beside its own once it is over");
    }
    if let Some(rebalance) = &state.rebalance {
        assert!(!rebalance.left.is_empty() && rebalance.left.len() <= rebalance.moves as usize);
        for Change { replica, kind, .. } in &rebalance.left {
            let node = state.placed.get(replica).map(|assignment| &assignment.node);
            match kind {
                ChangeKind::Move { from, .. } => assert_eq!(node, Some(from), "{replica} is yet to move"),
                ChangeKind::Place { .. } => assert_eq!(node, None, "{replica} is yet to be placed"),
                other => panic!("{other:?} moves nothing"),
            }
        }
    }
    for (node, record) in &state.nodes {
        let plan = state.node_plan(node);
        assert_eq!(plan.is_some(), record.generation > 0);
        let Some(generation) = plan else { continue };
        assert_eq!(generation.hash, generation.plan.hash(), "the plan of {node} is that of its generation");
        assert_eq!(generation.plan.replicas.len(), state.placed.on_node(node.as_str()).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn leave_the_state_whole(commands in prop::collection::vec((command(), prop::option::of(0..20_u8), any::<bool>()), 1..60)) {
        let mut state = State::default();
        // What each request was and what became of it.
        let mut answered: BTreeMap<u8, (String, Applied)> = BTreeMap::new();
        for (index, (mut command, key, right)) in (1..).zip(commands) {
            // Some plans are made from what is there.
            if let Command::Apply { expect: Some(expect), .. } = &mut command
                && right
            {
                expect.spec = state.history.back().map(|entry| entry.revision);
                expect.basis = expect.basis.map(|ago| state.basis.saturating_sub(ago));
            }
            if let Command::Place { seen, .. } | Command::Rebalance { step: RebalanceStep::Start { seen, .. }, .. } =
                &mut command
            {
                *seen = state.version.saturating_sub(*seen);
            }
            let before = state.clone();
            let text = serde_json::to_string(&command).unwrap();
            let of = |text: &str| Fingerprint::of([text.as_bytes()]);
            let request = key.map(|key| Request { key: of(&key.to_string()), content: of(&text), at: index });
            let applied = state.apply(index, Proposal { command, request, author: None });
            match key.and_then(|key| answered.get(&key)) {
                Some((first, outcome)) => {
                    let expected = if *first == text { outcome.clone() } else { Applied::KeyReused };
                    prop_assert_eq!((&applied, &state), (&expected, &before));
                    continue;
                }
                None => prop_assert_ne!(&applied, &Applied::KeyReused),
            }
            if let Some(key) = key.filter(|_| !matches!(applied, Applied::Outdated(_))) {
                answered.insert(key, (text, applied.clone()));
            }
            match applied {
                Applied::Done(version) => prop_assert_eq!((version, state.version), (index, index)),
                _ => {
                    let same = State { requests: before.requests.clone(), ..state.clone() };
                    prop_assert_eq!(&same, &before);
                }
            }
            for (node, record) in &before.nodes {
                let after = &state.nodes[node];
                let changed = u64::from(after.hash != record.hash);
                prop_assert_eq!(after.generation, record.generation + changed, "{}", node);
            }
            check(&state);
        }
    }
}
