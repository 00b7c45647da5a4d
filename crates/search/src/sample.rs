use proptest::collection::vec;
use proptest::prelude::*;

use crate::{
    Balance, BitSet, Even, Gain, Kind, Label, Limit, Link, MinDomains, Moves, NO_DOMAIN, Node, Problem, Replica,
    Resource, Service, Skew,
};

/// Choices that a test is made of: each is below the bound that is asked for, 0 when none is left. So that fewer and
/// smaller choices make a simpler case.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    choices: std::vec::IntoIter<u16>,
}

impl Draw {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.choices.next().unwrap_or(0) as usize % bound.max(1)
    }

    pub(crate) fn number(&mut self, bound: usize) -> i64 {
        self.below(bound) as i64
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// A node of the problem, or none.
    pub(crate) fn place(&mut self, problem: &Problem) -> Option<u32> {
        (!self.one_in(6)).then(|| self.below(problem.nodes.len()) as u32)
    }
}

/// Enough choices for a problem and what is done with it.
pub(crate) fn draws() -> impl Strategy<Value = Draw> {
    vec(any::<u16>(), 0..900).prop_map(|choices| Draw { choices: choices.into_iter() })
}

/// A small problem with any of all features.
pub(crate) fn problem(draw: &mut Draw) -> Problem {
    let resources: Vec<Resource> =
        (0..1 + draw.below(3)).map(|_| Resource { transient: draw.one_in(3), load_weight: draw.number(4) }).collect();
    let nodes: Vec<Node> = (0..2 + draw.below(5))
        .map(|_| Node {
            capacity: resources.iter().map(|_| 20 - draw.number(20)).collect(),
            comfort: resources.iter().map(|_| draw.number(12)).collect(),
        })
        .collect();
    let labels: Vec<Label> = (0..1 + draw.below(3)).map(|_| label(draw, nodes.len())).collect();
    let services: Vec<Service> = (0..1 + draw.below(4)).map(|_| Service::default()).collect();
    let kinds: Vec<Kind> = (0..services.len() + draw.below(3))
        .map(|index| kind(draw, index % services.len(), &resources, &labels, nodes.len()))
        .collect();
    let replicas: Vec<Replica> = (0..1 + draw.below(9))
        .map(|_| Replica {
            kind: draw.below(kinds.len()) as u32,
            start: draw.one_in(2).then(|| draw.below(nodes.len()) as u32),
            movable: !draw.one_in(5),
        })
        .collect();
    let balance = |draw: &mut Draw| Balance {
        of: draw.below(resources.len()) as u32,
        against: draw.below(resources.len()) as u32,
        target: draw.number(3),
        weight: draw.number(4),
    };
    let balances = (0..draw.below(3)).map(|_| balance(draw)).collect();
    let count = nodes.len();
    let moves = Moves {
        replica: draw.number(3),
        service: draw.number(20),
        node: draw.number(3),
        distance: draw.one_in(2).then(|| (0..count * count).map(|_| draw.number(5)).collect()),
    };
    let fill_scale = [0, 1000, 1][draw.below(3)];
    let services = services.iter().map(|_| service(draw, services.len(), &labels)).collect();
    Problem { resources, nodes, balances, labels, kinds, services, replicas, moves, fill_scale }
}

fn label(draw: &mut Draw, nodes: usize) -> Label {
    if draw.one_in(3) {
        return Label { domain_of: (0..nodes as u32).collect(), domains: nodes as u32 };
    }
    let domains = 1 + draw.below(3);
    let domain = |draw: &mut Draw| if draw.one_in(6) { NO_DOMAIN } else { draw.below(domains) as u32 };
    Label { domain_of: (0..nodes).map(|_| domain(draw)).collect(), domains: domains as u32 }
}

fn kind(draw: &mut Draw, service: usize, resources: &[Resource], labels: &[Label], nodes: usize) -> Kind {
    let allowed = draw.one_in(4).then(|| (0..nodes as u32).filter(|_| !draw.one_in(3)).collect::<BitSet>());
    let gain = |draw: &mut Draw| {
        let label = draw.below(labels.len());
        let domain = draw.below(labels[label].domains as usize) as u32;
        Gain { label: label as u32, domain, points: draw.number(20) - 5 }
    };
    Kind {
        service: service as u32,
        need: resources.iter().map(|_| draw.number(8)).collect(),
        importance: 1 + draw.number(3),
        allowed,
        gains: (0..draw.below(3)).map(|_| gain(draw)).collect(),
        exclusive: (0..3).filter(|_| draw.one_in(6)).collect(),
        fill: [0, 1, -1][draw.below(3)],
        move_cost: draw.number(4),
    }
}

fn service(draw: &mut Draw, services: usize, labels: &[Label]) -> Service {
    let label = |draw: &mut Draw| draw.below(labels.len()) as u32;
    let some = |draw: &mut Draw| 0..usize::from(draw.one_in(3));
    let link = |draw: &mut Draw| Link { service: draw.below(services) as u32, label: draw.below(labels.len()) as u32 };
    let skew = |draw: &mut Draw| {
        let label = draw.below(labels.len());
        let domains = (0..labels[label].domains).filter(|_| !draw.one_in(4)).collect();
        Skew { label: label as u32, skew: draw.below(3) as u32, domains }
    };
    Service {
        limits: some(draw).map(|_| Limit { label: label(draw), max: draw.below(3) as u32 }).collect(),
        min_domains: some(draw).map(|_| MinDomains { label: label(draw), count: draw.below(4) as u32 }).collect(),
        max_skew: some(draw).map(|_| skew(draw)).collect(),
        even: some(draw).map(|_| Even { label: label(draw), step: draw.number(5) }).collect(),
        near: some(draw).map(|_| link(draw)).collect(),
        apart: some(draw).map(|_| link(draw)).collect(),
    }
}
