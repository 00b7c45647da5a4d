use crate::sample::{draws, problem};
use crate::{
    Balance, Even, Gain, Kind, Label, Limit, Link, Moves, Node, Problem, Replica, Resource, Service, Skew, State,
};

fn small() -> Problem {
    let node = || Node { capacity: [10].into(), comfort: [8].into(), size: 1_000_000 };
    Problem {
        resources: vec![Resource { transient: false, load_weight: 1, fills: true }],
        nodes: vec![node(), node()],
        labels: vec![Label { domain_of: vec![0, 1], domains: 2 }],
        kinds: vec![Kind { need: [3].into(), ..Kind::default() }],
        services: vec![Service::default()],
        replicas: vec![Replica { kind: 0, start: Some(0), movable: true }],
        ..Problem::default()
    }
}

fn refusal(change: impl FnOnce(&mut Problem)) -> String {
    let mut problem = small();
    change(&mut problem);
    problem.check().unwrap_err().to_string()
}

#[test]
fn says_what_is_wrong_and_where() {
    assert_eq!(small().check(), Ok(()));
    let cases = [
        refusal(|problem| problem.nodes[1].capacity = [1, 2].into()),
        refusal(|problem| problem.nodes[1].comfort = [-1].into()),
        refusal(|problem| problem.kinds[0].need = [-3].into()),
        refusal(|problem| problem.kinds[0].service = 1),
        refusal(|problem| problem.kinds[0].fill = 2),
        refusal(|problem| problem.kinds[0].exclusive = [4, 1, 4].into()),
        refusal(|problem| problem.kinds[0].allowed = Some([0, 2].into_iter().collect())),
        refusal(|problem| problem.kinds[0].gains.push(Gain { label: 1, domain: 0, points: 1 })),
        refusal(|problem| problem.labels[0].domain_of = vec![0]),
        refusal(|problem| problem.labels[0].domain_of[1] = 2),
        refusal(|problem| problem.services[0].limits.push(Limit { label: 3, max: 1 })),
        refusal(|problem| problem.services[0].near.push(Link { service: 1, label: 0 })),
        refusal(|problem| problem.services[0].even.push(Even { label: 0, step: -1 })),
        refusal(|problem| problem.services[0].max_skew.push(Skew { label: 0, skew: 1, domains: [1, 1].into() })),
        refusal(|problem| problem.replicas[0].start = Some(2)),
        refusal(|problem| problem.replicas[0].kind = 1),
        refusal(|problem| problem.balances.push(Balance { of: 0, against: 1, target: 1, weight: 1 })),
        refusal(|problem| problem.moves = Moves { distance: Some([0; 3].into()), ..Moves::default() }),
        refusal(|problem| problem.resources[0].load_weight = i64::MAX),
        refusal(|problem| problem.nodes.iter_mut().for_each(|node| node.capacity = [i64::MAX].into())),
        refusal(|problem| {
            problem.kinds[0] = Kind { need: [10].into(), fill: 1, ..Kind::default() };
            problem.fill_scale = i64::MAX;
        }),
    ];
    let wanted = [
        "node 1 has 2 capacities; it must have 1",
        "node 1 has comfort -1; it must not be less than 0",
        "kind 0 has need -3; it must not be less than 0",
        "kind 0 names service 1, but there are only 1 (counted from 0)",
        "kind 0 has fill 2; it must be -1, 0 or 1",
        "kind 0 wants exclusive 4 twice; name it once",
        "kind 0 names node 2, but there are only 2 (counted from 0)",
        "kind 0 names label 1, but there are only 1 (counted from 0)",
        "label 0 has 1 domains of nodes; it must have 2",
        "label 0 names domain 2, but there are only 2 (counted from 0)",
        "service 0 names label 3, but there are only 1 (counted from 0)",
        "service 0 names service 1, but there are only 1 (counted from 0)",
        "service 0 has step -1; it must not be less than 0",
        "service 0 has domain 1 twice in a skew; name it once",
        "replica 0 names node 2, but there are only 2 (counted from 0)",
        "replica 0 names kind 1, but there are only 1 (counted from 0)",
        "balance 0 names resource 1, but there are only 1 (counted from 0)",
        "the cost of moves has 3 distances; it must have 4",
        "the cost can exceed 64 bits; use larger units or smaller weights",
        "the sums of resource 0 can exceed 64 bits; use larger units or smaller weights",
        "the cost of fill can exceed 64 bits; use larger units or smaller weights",
    ];
    assert_eq!(cases, wanted);
}

#[test]
fn a_layout_must_fit_the_problem() {
    let problem = small();
    let refusal = |layout: &[Option<u32>]| State::new(&problem, layout).unwrap_err().to_string();
    assert_eq!(refusal(&[]), "the layout has 0 places; it must have 1");
    assert_eq!(refusal(&[Some(2)]), "the layout names node 2, but there are only 2 (counted from 0)");
}

proptest::proptest! {
    #[test]
    fn accepts_every_sample(mut draw in draws()) {
        proptest::prop_assert_eq!(problem(&mut draw).check(), Ok(()));
    }
}
