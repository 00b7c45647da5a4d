//! Schedules as systemd writes them.

use std::fmt::Write;

use icefield_spec::{CalendarFields, Schedule};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The times of a schedule as values of `OnCalendar=`; `None` if it is none.
///
/// Where a schedule names days both of the month and of the week, one of them is enough; systemd wants both, so such a
/// schedule is two values.
pub(crate) fn calendar(schedule: &Schedule) -> Option<Vec<String>> {
    let fields = schedule.timetable().ok()?.fields();
    let times = if fields.days.is_empty() || fields.weekdays.is_empty() {
        vec![value(&fields, &fields.days, &fields.weekdays, &schedule.timezone)]
    } else {
        let by_day = value(&fields, &fields.days, &[], &schedule.timezone);
        vec![by_day, value(&fields, &[], &fields.weekdays, &schedule.timezone)]
    };
    Some(times)
}

fn value(fields: &CalendarFields, days: &[u16], weekdays: &[u16], timezone: &str) -> String {
    let mut out = String::new();
    if !weekdays.is_empty() {
        let names: Vec<&str> = weekdays.iter().map(|day| WEEKDAYS[usize::from(*day) % 7]).collect();
        let _ = write!(out, "{} ", names.join(","));
    }
    let (months, days) = (list(&fields.months), list(days));
    let (hours, minutes) = (list(&fields.hours), list(&fields.minutes));
    let _ = write!(out, "*-{months}-{days} {hours}:{minutes}:00 {timezone}");
    out
}

/// Values, or all of them.
fn list(values: &[u16]) -> String {
    if values.is_empty() {
        return "*".into();
    }
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_calendars() {
        let of = |cron: &str, timezone: &str| {
            calendar(&Schedule { cron: cron.into(), timezone: timezone.into() }).unwrap().join(" | ")
        };
        assert_eq!(of("0 3 * * *", "Europe/Berlin"), "*-*-* 03:00:00 Europe/Berlin");
        assert_eq!(of("*/30 * * * mon-fri", "UTC"), "Mon,Tue,Wed,Thu,Fri *-*-* *:00,30:00 UTC");
        assert_eq!(of("5 4 1 jan,jul *", "UTC"), "*-01,07-01 04:05:00 UTC");
        assert_eq!(of("0 0 13 * fri", "UTC"), "*-*-13 00:00:00 UTC | Fri *-*-* 00:00:00 UTC");
    }
}
