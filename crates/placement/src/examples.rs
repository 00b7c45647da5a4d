//! Small fleets for the tests beside the code, and what a person reads of them.

use icefield_placement::{Assignment, ChangeKind, Demand, Exclusion, Explanation, ScorePart, Solution};
use icefield_spec::{Prefer, Spread};

use crate::fleet::{Fleet, demand, host};

/// Three nodes in two zones; n3 has no disk.
pub(crate) fn three() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.add_host(host("n1", &[("zone", "a"), ("disk", "ssd")]));
    fleet.add_host(host("n2", &[("zone", "a"), ("disk", "hdd")]));
    fleet.add_host(host("n3", &[("zone", "b")]));
    fleet
}

pub(crate) fn with(change: impl FnOnce(&mut Demand)) -> Demand {
    let mut demand = demand(1);
    change(&mut demand);
    demand
}

pub(crate) fn spread(label: &str, max: Option<u32>) -> Spread {
    Spread { max, ..Spread::over(label) }
}

pub(crate) fn prefer(label: &str, value: &str, weight: i32) -> Prefer {
    Prefer { label: label.into(), value: value.into(), weight }
}

/// How many replicas each node would have, in the order of names.
pub(crate) fn counts(fleet: &Fleet) -> Vec<usize> {
    let after = fleet.after(&fleet.solve()).placement;
    fleet.hosts.keys().map(|node| after.iter().filter(|(_, at)| at.node == *node).count()).collect()
}

/// What solving `fleet` gives.
pub(crate) fn solved(fleet: &Fleet) -> String {
    solution(&fleet.solve())
}

pub(crate) fn solution(solution: &Solution) -> String {
    let mut lines: Vec<String> = Vec::new();
    for change in &solution.changes {
        let what = match &change.kind {
            ChangeKind::Place { to } => format!("→ {}", assignment(to)),
            ChangeKind::Move { from, to } => format!("{from} → {}", assignment(to)),
            ChangeKind::Replace { to } => format!("stays on {}", assignment(to)),
            ChangeKind::Remove { from } => format!("leaves {from}"),
        };
        lines.push(format!("{} {what}: {}", change.replica, change.reason));
    }
    for unplaced in &solution.unplaced {
        lines.push(format!("{} nowhere:", unplaced.replica));
        lines.extend(unplaced.reasons.iter().map(exclusion));
    }
    lines.join("\n")
}

pub(crate) fn explanation(explanation: &Explanation) -> String {
    let place = explanation.assignment.as_ref().map_or_else(|| "nowhere".into(), assignment);
    let mut lines = vec![format!("{} {place}", explanation.replica)];
    lines.extend(explanation.score.iter().map(part));
    for other in &explanation.alternatives {
        lines.push(format!("else {}", other.node));
        lines.extend(other.score.iter().map(part));
    }
    lines.extend(explanation.excluded.iter().map(exclusion));
    lines.join("\n")
}

fn assignment(at: &Assignment) -> String {
    let ports = at.ports.iter().map(|(name, port)| format!(" {name}={port}"));
    format!("{}{}", at.node, ports.collect::<String>())
}

fn part(part: &ScorePart) -> String {
    format!("  {:+.2} {}: {}", part.points, part.rule, part.fact)
}

fn exclusion(exclusion: &Exclusion) -> String {
    let examples = exclusion.examples.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    format!("  {} excludes {} ({examples}): {}", exclusion.rule, exclusion.nodes, exclusion.fix)
}
