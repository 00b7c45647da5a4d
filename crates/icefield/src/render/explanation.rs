use std::fmt::Write as _;

use console::style;
use icefield_api::{ExplainedReplica, ServiceExplanation};
use icefield_placement::{Exclusion, ScorePart};

/// Why each replica of a service is where it is.
pub(crate) fn explanation(answer: &ServiceExplanation) -> String {
    let blocks: Vec<String> = answer.replicas.iter().map(replica).collect();
    if blocks.is_empty() { format!("{} has no replica\n", answer.service) } else { blocks.join("\n") }
}

fn replica(explained: &ExplainedReplica) -> String {
    let explanation = &explained.explanation;
    let mut text = String::new();
    match &explanation.assignment {
        Some(assignment) => {
            let _ = writeln!(text, "{} is on {}", style(&explanation.replica).bold(), style(&assignment.node).bold());
        }
        None => {
            let _ = writeln!(
                text,
                "{} is {}",
                style(&explanation.replica).bold(),
                style("nowhere: it fits on no node").red()
            );
        }
    }
    if let Some(decided) = &explained.decided {
        let _ = writeln!(text, "  put there: {decided}");
    }
    if !explanation.score.is_empty() {
        let _ = writeln!(text, "  score {}", score(&explanation.score));
    }
    for part in &explanation.score {
        let _ = writeln!(text, "    {:>8.2}  {}: {}", part.points, part.rule, part.fact);
    }
    for alternative in &explanation.alternatives {
        let _ = writeln!(text, "  else {} with {}", alternative.node, score(&alternative.score));
    }
    for exclusion in &explanation.excluded {
        let _ = writeln!(text, "  {}", excluded(exclusion, explanation.assignment.is_none()));
    }
    text
}

fn score(parts: &[ScorePart]) -> String {
    format!("{:.2}", parts.iter().map(|part| part.points).sum::<f64>())
}

fn excluded(exclusion: &Exclusion, with_fix: bool) -> String {
    let names: Vec<&str> = exclusion.examples.iter().map(icefield_spec::Name::as_str).collect();
    let more = exclusion.nodes.saturating_sub(names.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = if names.is_empty() { String::new() } else { format!(" ({}{more})", names.join(", ")) };
    let nodes = if exclusion.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", exclusion.nodes) };
    let fix = if with_fix { format!(": {}", exclusion.fix) } else { String::new() };
    format!("{} excludes {nodes}{names}{fix}", exclusion.rule)
}
