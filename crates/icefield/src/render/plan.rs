use std::collections::BTreeMap;
use std::fmt::Write as _;

use console::style;
use icefield_api::{PlanReport, PlannedChange, UnplacedReplica};
use icefield_spec::Name;

use crate::render::count;

/// How many replicas of one service are listed one by one.
const LISTED: usize = 12;

/// What an apply would change, and where replicas would go.
pub(crate) fn plan(report: &PlanReport) -> String {
    let mut text = String::new();
    let (replicas, declared): (Vec<_>, Vec<_>) = report.changes.iter().partition(|change| change.kind == "replica");
    for change in &declared {
        let _ = writeln!(text, "{} {} {}{}", sign(&change.action), change.kind, change.name, reason(change));
    }
    let mut by_service: BTreeMap<&str, Vec<&PlannedChange>> = BTreeMap::new();
    for change in replicas {
        by_service.entry(change.name.split('/').next().unwrap_or_default()).or_default().push(change);
    }
    for changes in by_service.values() {
        for change in changes.iter().take(LISTED) {
            let _ = writeln!(text, "{} {}  {} {}", sign(&change.action), change.name, change.action, change.reason);
        }
        if changes.len() > LISTED {
            let _ = writeln!(text, "  … and {} more", changes.len() - LISTED);
        }
    }
    let mut unplaced: BTreeMap<&Name, Vec<&UnplacedReplica>> = BTreeMap::new();
    for replica in &report.unplaced {
        unplaced.entry(&replica.service).or_default().push(replica);
    }
    for (service, replicas) in unplaced {
        let _ = writeln!(text, "{} {}", style("✗").red(), style(fits_nowhere(service, &replicas)).red());
        for reason in &replicas[0].reasons {
            let _ = writeln!(text, "    {} excludes {}: {}", reason.rule, count(reason.nodes, "node"), reason.fix);
        }
    }
    if text.is_empty() {
        text.push_str("No change: the cluster is as the file declares it.\n");
    }
    text
}

fn fits_nowhere(service: &Name, replicas: &[&UnplacedReplica]) -> String {
    match replicas {
        [only] => format!("{service}/{} fits nowhere", only.index),
        [first, .., last] => {
            format!("{} replicas of {service} fit nowhere ({} to {})", replicas.len(), first.index, last.index)
        }
        [] => String::new(),
    }
}

fn reason(change: &PlannedChange) -> String {
    if change.reason.is_empty() { String::new() } else { format!("  {}", style(&change.reason).dim()) }
}

fn sign(action: &str) -> String {
    match action {
        "create" | "place" => style("+").green().to_string(),
        "delete" | "remove" => style("-").red().to_string(),
        _ => style("~").yellow().to_string(),
    }
}
