use std::fmt::Write as _;

use console::style;
use icefield_api::{ExplainedReplica, ServiceExplanation};
use icefield_placement::{Exclusion, Explanation, ScorePart};

use crate::render::{Table, count};

/// Up to so many replicas are explained in full; of more there is an overview.
const IN_FULL: usize = 3;

/// Why each replica of a service is where it is.
pub(crate) fn explanation(answer: &ServiceExplanation) -> String {
    let replicas = &answer.replicas;
    if replicas.is_empty() {
        return format!("{} has no replica\n", answer.service);
    }
    let mut blocks = Vec::new();
    let placed: Vec<_> = replicas.iter().filter(|replica| replica.explanation.assignment.is_some()).collect();
    if placed.len() > IN_FULL {
        blocks.push(overview(&placed));
    } else {
        blocks.extend(placed.iter().map(|replica| somewhere(replica)));
    }
    let nowhere: Vec<_> = replicas.iter().filter(|replica| replica.explanation.assignment.is_none()).collect();
    blocks.extend(nowhere.chunk_by(|a, b| a.explanation.excluded == b.explanation.excluded).map(nowhere_block));
    if placed.len() > IN_FULL {
        let first = &placed[0].explanation.replica;
        blocks.push(format!("`icefield explain {first}` shows what its points are made of.\n"));
    }
    blocks.join("\n")
}

/// A line for each of many replicas.
fn overview(replicas: &[&ExplainedReplica]) -> String {
    let mut table = Table::new(["REPLICA", "NODE", "POINTS", "NEXT BEST", "WITH", "PUT THERE BECAUSE"]);
    for ExplainedReplica { decided, explanation } in replicas {
        let next = explanation.alternatives.first();
        table.row([
            explanation.replica.to_string(),
            explanation.assignment.as_ref().map(|assignment| assignment.node.to_string()).unwrap_or_default(),
            points(total(&explanation.score)),
            next.map(|next| next.node.to_string()).unwrap_or_default(),
            next.map(|next| points(total(&next.score))).unwrap_or_default(),
            decided.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// One replica that is on a node: why, how that node compares with the next best ones, and which cannot take it.
fn somewhere(explained: &ExplainedReplica) -> String {
    let explanation = &explained.explanation;
    let node = explanation.assignment.as_ref().map(|assignment| assignment.node.as_str()).unwrap_or_default();
    let mut text = format!("{} is on {}", style(&explanation.replica).bold(), style(node).bold());
    if let Some(decided) = &explained.decided {
        let _ = write!(text, ", put there because: {decided}");
    }
    text.push('\n');
    if !explanation.score.is_empty() {
        let _ = write!(text, "\n{}\n{}", indented(&comparison(node, explanation)), verdict(node, explanation));
    }
    if !explanation.excluded.is_empty() {
        let _ =
            write!(text, "\n  Nodes that cannot take it:\n\n{}", indented(&exclusions(&explanation.excluded, false)));
    }
    text
}

/// The parts of the node's score, with those of the next best nodes beside them.
fn comparison(node: &str, explanation: &Explanation) -> String {
    let alternatives = &explanation.alternatives;
    let mut nodes = vec![(node, &explanation.score)];
    nodes.extend(alternatives.iter().map(|other| (other.node.as_str(), &other.score)));
    let aligned = |cells: Vec<String>| -> Vec<String> {
        cells.into_iter().zip(&nodes).map(|(cell, (name, _))| format!("{cell:>0$}", name.len().max(8))).collect()
    };
    let mut table = Table::with_headings(
        std::iter::once("POINTS".to_owned())
            .chain(aligned(nodes.iter().map(|(name, _)| (*name).to_owned()).collect()))
            .chain(["FACT".to_owned()]),
    );
    for part in &explanation.score {
        let given = |(_, score): &(&str, &Vec<ScorePart>)| {
            let same = score.iter().find(|other| other.rule == part.rule);
            same.map(|part| points(part.points)).unwrap_or_default()
        };
        let cells = aligned(nodes.iter().map(given).collect());
        table.add(std::iter::once(part.rule.clone()).chain(cells).chain([part.fact.clone()]));
    }
    let totals = aligned(nodes.iter().map(|(_, score)| points(total(score))).collect());
    let totals = totals.into_iter().map(|total| style(total).bold().to_string());
    table.add(std::iter::once(style("together").bold().to_string()).chain(totals).chain([String::new()]));
    table.render()
}

/// Whether the node is still the best one.
fn verdict(node: &str, explanation: &Explanation) -> String {
    let here = total(&explanation.score);
    let better = explanation.alternatives.iter().map(|other| (total(&other.score) - here, &other.node));
    match better.max_by(|a, b| a.0.total_cmp(&b.0)) {
        None => format!("  {node} is the only node that can take it.\n"),
        Some((more, other)) if more >= 0.005 => format!(
            "  {other} would be better by {} now. A replica stays where it is as long as it may; `icefield rebalance` \
             moves what is worth it.\n",
            points(more)
        ),
        Some((more, _)) if more > -0.005 => format!("  No node is better than {node} now.\n"),
        Some((more, other)) => {
            format!("  {node} is the best node for it now; {other}, the next, has {} less.\n", points(-more))
        }
    }
}

/// Replicas that fit nowhere, all for the same reasons.
fn nowhere_block(replicas: &[&ExplainedReplica]) -> String {
    let [first, rest @ ..] = replicas else { return String::new() };
    let explanation = &first.explanation;
    let who = style(&explanation.replica).bold();
    let many = explanation.excluded.iter().map(|exclusion| exclusion.nodes).sum();
    let none = style(match many {
        0 => "nowhere: there is no node".to_owned(),
        1 => "nowhere: the only node cannot take it".to_owned(),
        _ => format!("nowhere: none of {} can take it", count(many, "node")),
    })
    .red();
    let mut text = match rest.last() {
        None => format!("{who} is {none}\n"),
        Some(last) => {
            let last = style(&last.explanation.replica).bold();
            format!("{who} to {last} ({} replicas) are {none}\n", replicas.len())
        }
    };
    let _ = write!(text, "\n{}", indented(&exclusions(&explanation.excluded, true)));
    text
}

fn exclusions(excluded: &[Exclusion], with_fix: bool) -> String {
    let mut table = Table::new(["RULE", "NODES", "WHICH", "WHAT WOULD LET IT IN"]);
    for exclusion in excluded {
        let mut names: Vec<String> = exclusion.examples.iter().map(ToString::to_string).collect();
        let more = exclusion.nodes.saturating_sub(names.len() as u64);
        if more > 0 && !names.is_empty() {
            names.push(format!("… {more} more"));
        }
        let fix = if with_fix { style(&exclusion.fix).green().to_string() } else { String::new() };
        table.row([exclusion.rule.clone(), exclusion.nodes.to_string(), names.join(", "), fix]);
    }
    table.render()
}

fn total(parts: &[ScorePart]) -> f64 {
    parts.iter().map(|part| part.points).sum()
}

fn points(points: f64) -> String {
    // Not "-0.00".
    format!("{:.2}", if points.abs() < 0.005 { 0.0 } else { points })
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use icefield_placement::{Alternative, Assignment};
    use insta::assert_snapshot;

    use super::*;

    fn part(rule: &str, points: f64, fact: &str) -> ScorePart {
        ScorePart { rule: rule.into(), points, fact: fact.into() }
    }

    fn placed(index: u32) -> ExplainedReplica {
        let node = "front-1".parse().unwrap();
        let revision = icefield_spec::Revision::of("web");
        let other = vec![part("spread over zone", -128.0, "x"), part("balanced", 0.8, "x")];
        let excluded = Exclusion {
            rule: "require tier=front".into(),
            nodes: 12,
            examples: vec!["back-1".parse().unwrap(), "back-2".parse().unwrap()],
            fix: "give back-1 the label tier=front".into(),
        };
        ExplainedReplica {
            decided: Some("node front-3 is lost".into()),
            explanation: Explanation {
                replica: format!("web/{index}").parse().unwrap(),
                assignment: Some(Assignment { node, revision, ports: Default::default() }),
                score: vec![
                    part("spread over zone", 0.0, "none of 1 other replicas is in zone a"),
                    part("prefer zone=a", 1.0, "front-1 has zone=a"),
                    part("balanced", 0.9, "10% of its cpu would be in use"),
                ],
                alternatives: vec![Alternative { node: "front-2-in-zone-b".parse().unwrap(), score: other }],
                excluded: vec![excluded],
            },
        }
    }

    fn nowhere(index: u32) -> ExplainedReplica {
        let mut explained = placed(index);
        explained.decided = None;
        explained.explanation.assignment = None;
        explained.explanation.score.clear();
        explained.explanation.alternatives.clear();
        explained
    }

    fn shown(replicas: Vec<ExplainedReplica>) -> String {
        let text =
            explanation(&ServiceExplanation { schema: 1, service: "web".parse().unwrap(), stale: None, replicas });
        console::strip_ansi_codes(&text).into_owned()
    }

    #[test]
    fn why_here_and_not_elsewhere() {
        assert_snapshot!(shown(vec![placed(0)]));
    }

    #[test]
    fn another_node_may_be_better_by_now() {
        let mut explained = placed(0);
        explained.explanation.alternatives[0].score[0].points = 7.5;
        assert!(shown(vec![explained]).contains("front-2-in-zone-b would be better by 6.40 now."));
        let mut only = placed(0);
        only.explanation.alternatives.clear();
        assert!(shown(vec![only]).contains("front-1 is the only node that can take it."));
    }

    #[test]
    fn why_nowhere_and_what_would_help() {
        assert_snapshot!(shown(vec![nowhere(4), nowhere(5), nowhere(6)]));
    }

    #[test]
    fn many_replicas_in_a_line_each() {
        assert_snapshot!(shown((0..4).map(placed).chain([nowhere(4)]).collect()));
    }
}
