//! Solutions and explanations as lines of text.

use icefield_placement::{Assignment, ChangeKind, Exclusion, Explanation, ScorePart, Solution};

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
