use console::style;
use icefield_api::{Event, EventKind, History, HistoryEntry};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::render::Table;

/// One event in a line.
pub(crate) fn event(event: &Event, width: usize) -> String {
    let subject = match event.kind {
        EventKind::Apply | EventKind::Rollout | EventKind::Job => style(&event.subject).cyan(),
        EventKind::Placement => style(&event.subject).blue(),
        EventKind::Replica => style(&event.subject).yellow(),
        EventKind::Node | EventKind::Leader | EventKind::Trust | EventKind::Secret => style(&event.subject).magenta(),
        EventKind::Note => style(&event.subject).bold(),
    };
    format!(
        "{}  {}  {}",
        style(time(event.at, "%H:%M:%S%.3f")).dim(),
        console::pad_str(&subject.to_string(), width, console::Alignment::Left, None),
        event.message
    )
}

/// The specs that were put in force.
pub(crate) fn history(history: &History) -> String {
    let mut table = Table::new(["VERSION", "WHEN", "REVISION", "SERVICES"]);
    for entry in &history.entries {
        let when = time(entry.at, "%Y-%m-%d %H:%M:%S");
        table.row([entry.version.to_string(), when, entry.revision.short(), changed_services(entry)]);
    }
    table.render()
}

/// The services that a spec changed.
fn changed_services(entry: &HistoryEntry) -> String {
    let names: Vec<&str> = entry.changed.iter().map(|name| name.as_str()).collect();
    match entry.more_changed {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// A time in milliseconds since 1970 as this machine's clock would show it.
pub(crate) fn time(millis: u64, format: &str) -> String {
    let stamp = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let stamp = stamp.unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.to_zoned(TimeZone::system()).strftime(format).to_string()
}
