use console::style;
use icefield_api::AuditEntry;

use super::time;

/// An entry of the audit log in a line.
pub(crate) fn audit_entry(entry: &AuditEntry) -> String {
    let facts = &entry.facts;
    let outcome = match facts.outcome.as_str() {
        "done" => style("done").green(),
        other => style(other).red(),
    };
    let revision = facts.revision.map_or(String::new(), |revision| format!(" ({})", revision.short()));
    format!(
        "{:>6}  {}  {} from {}  {} {}{revision}  {outcome}",
        entry.number,
        style(time(facts.at, "%Y-%m-%d %H:%M:%S")).dim(),
        style(&facts.who).cyan(),
        facts.from,
        facts.operation,
        facts.subject,
    )
}
