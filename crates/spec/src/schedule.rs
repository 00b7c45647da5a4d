use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a job is to run: at which times by the clock of a place.
///
/// A time that the clock of that place skips when it is put forward comes right after the gap; one that it has twice
/// when it is put back comes the first time only, unless the pattern names every hour or minute anyway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of the month, month, and day of the week, as `cron` has them: `"0 3 * * *"`.
    pub cron: String,
    /// The time zone by its IANA name: `"Europe/Berlin"`.
    #[serde(default = "Schedule::utc", skip_serializing_if = "is_utc")]
    pub timezone: String,
}

/// A schedule that was read and whose time zone is known.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: croner::Cron,
    zone: TimeZone,
}

/// The values of each field of a schedule; a field that admits all is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFields {
    /// Minutes.
    pub minutes: Vec<u16>,
    /// Hours.
    pub hours: Vec<u16>,
    /// Days of the month.
    pub days: Vec<u16>,
    /// Months, from 1.
    pub months: Vec<u16>,
    /// Days of the week, from 0 for Sunday. Where days of the month are given too, one of both is enough.
    pub weekdays: Vec<u16>,
}

impl Schedule {
    /// The time zone where none is given.
    pub fn utc() -> String {
        "UTC".into()
    }

    /// The schedule, read.
    ///
    /// # Errors
    /// What is wrong with the pattern or the time zone, and what to do about it.
    pub fn timetable(&self) -> Result<Timetable, InvalidSchedule> {
        let pattern = |reason: String| InvalidSchedule::Pattern { pattern: self.cron.clone(), reason };
        let fields: Vec<&str> = self.cron.split_whitespace().collect();
        if fields.len() != 5 {
            return Err(pattern(format!("it has {}", count(fields.len()))));
        }
        // The library also knows signs that other programs, which the schedule is written for, do not.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | ',' | '-' | '/');
        if let Some(sign) = self.cron.chars().find(|c| !c.is_whitespace() && !plain(*c)) {
            return Err(pattern(format!("{sign:?} has no meaning there")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&self.cron).map_err(|error| pattern(error.to_string()))?;
        if [&cron.pattern.days, &cron.pattern.days_of_week].iter().any(|field| field.has_modifiers()) {
            return Err(pattern("\"L\" and \"W\" have no meaning there".into()));
        }
        let zone = TimeZoneDatabase::bundled()
            .get(&self.timezone)
            .map_err(|_| InvalidSchedule::Timezone { name: self.timezone.clone() })?;
        let timetable = Timetable { cron, zone };
        if timetable.after(0).is_none() {
            return Err(pattern("no such day ever comes".into()));
        }
        Ok(timetable)
    }
}

impl Timetable {
    /// The first time after `at`, both in milliseconds since 1970; `None` if there is none.
    pub fn after(&self, at: u64) -> Option<u64> {
        let at = Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&at, false).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok()
    }

    /// The values of each field.
    pub fn fields(&self) -> CalendarFields {
        let pattern = &self.cron.pattern;
        let some = |values: Vec<u16>, all: usize| if values.len() == all { Vec::new() } else { values };
        let days = if pattern.is_dom_wildcard() { Vec::new() } else { pattern.days.values() };
        let mut weekdays = if pattern.is_dow_wildcard() { Vec::new() } else { pattern.days_of_week.values() };
        weekdays.iter_mut().for_each(|day| *day %= 7);
        weekdays.sort_unstable();
        weekdays.dedup();
        CalendarFields {
            minutes: some(pattern.minutes.values(), 60),
            hours: some(pattern.hours.values(), 24),
            days: some(days, 31),
            months: some(pattern.months.values(), 12),
            weekdays: some(weekdays, 7),
        }
    }
}

/// Why a schedule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The pattern cannot be read, or never comes true.
    #[error("{pattern:?} is not a schedule: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such time zone.
    #[error("{name:?} is not a time zone")]
    Timezone {
        /// What was given.
        name: String,
    },
}

impl InvalidSchedule {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Pattern { .. } => {
                "write minute, hour, day of the month, month and day of the week, like \"30 3 * * mon-fri\"".into()
            }
            Self::Timezone { name } => {
                let database = TimeZoneDatabase::bundled();
                let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
                match crate::nearest(name, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "write its IANA name, like \"Europe/Berlin\" or \"UTC\"".into(),
                }
            }
        }
    }
}

fn is_utc(timezone: &str) -> bool {
    timezone == "UTC"
}

fn count(fields: usize) -> String {
    if fields == 1 { "1 field, not 5".into() } else { format!("{fields} fields, not 5") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cron: &str, timezone: &str) -> Schedule {
        Schedule { cron: cron.into(), timezone: timezone.into() }
    }

    /// The first `count` times after `from`, as the clocks of the place show them.
    fn times(cron: &str, timezone: &str, from: &str, count: usize) -> Vec<String> {
        let timetable = schedule(cron, timezone).timetable().unwrap();
        let mut at = u64::try_from(from.parse::<Timestamp>().unwrap().as_millisecond()).unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            at = timetable.after(at).unwrap();
            let time = Timestamp::from_millisecond(i64::try_from(at).unwrap()).unwrap();
            times.push(time.to_zoned(timetable.zone.clone()).strftime("%d.%m. %H:%M %Z").to_string());
        }
        times
    }

    #[test]
    fn a_time_that_is_skipped_comes_after_the_gap_and_one_that_is_there_twice_once() {
        // On 29 March 2026 Berlin's clocks went from 2:00 to 3:00, on 25 October from 3:00 back to 2:00.
        let daily = |from| times("30 2 * * *", "Europe/Berlin", from, 3);
        assert_eq!(daily("2026-03-28T00:00:00Z"), ["28.03. 02:30 CET", "29.03. 03:00 CEST", "30.03. 02:30 CEST"]);
        assert_eq!(daily("2026-10-24T00:00:00Z"), ["24.10. 02:30 CEST", "25.10. 02:30 CEST", "26.10. 02:30 CET"]);
        let hourly = times("30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 4);
        assert_eq!(hourly, ["25.10. 02:30 CEST", "25.10. 02:30 CET", "25.10. 03:30 CET", "25.10. 04:30 CET"]);
    }

    #[test]
    fn knows_names_ranges_lists_and_steps() {
        let from = "2026-01-01T00:00:00Z";
        assert_eq!(
            times("*/20 9-17/4 * * mon-fri", "UTC", from, 3),
            ["01.01. 09:00 UTC", "01.01. 09:20 UTC", "01.01. 09:40 UTC"]
        );
        assert_eq!(times("0 0 1 jan,jul *", "UTC", from, 2), ["01.07. 00:00 UTC", "01.01. 00:00 UTC"]);
        // One of both days is enough, as in every cron.
        assert_eq!(times("0 0 13 * fri", "UTC", from, 3), ["02.01. 00:00 UTC", "09.01. 00:00 UTC", "13.01. 00:00 UTC"]);
        assert_eq!(times("0 0 29 2 *", "UTC", from, 1), ["29.02. 00:00 UTC"]);
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |cron: &str, timezone: &str| {
            let error = schedule(cron, timezone).timetable().unwrap_err();
            format!("{error} ({})", error.help())
        };
        for (cron, reason) in [
            ("", "it has 0 fields, not 5"),
            ("0 0 3 * * *", "it has 6 fields, not 5"),
            ("@daily", "it has 1 field, not 5"),
            ("0 0 L * *", "have no meaning"),
            ("0 0 * * 5#2", "'#' has no meaning"),
            ("0 0 30 2 *", "no such day ever comes"),
        ] {
            assert!(wrong(cron, "UTC").contains(reason), "{cron}: {}", wrong(cron, "UTC"));
        }
        for bad in ["61 * * * *", "* 24 * * *", "a b c d e", "5-1 * * * *", "*/0 * * * *"] {
            assert!(schedule(bad, "UTC").timetable().is_err(), "{bad}");
        }
        insta::assert_snapshot!(wrong("0 3 * * *", "Europe/Berlim"), @r#""Europe/Berlim" is not a time zone (did you mean "Europe/Berlin"?)"#);
        insta::assert_snapshot!(wrong("0 3 * * *", "Mars"), @r#""Mars" is not a time zone (write its IANA name, like "Europe/Berlin" or "UTC")"#);
    }

    #[test]
    fn gives_its_fields() {
        let fields = schedule("0,30 3 * * sun,7", "UTC").timetable().unwrap().fields();
        assert_eq!(fields.minutes, [0, 30]);
        assert_eq!((fields.hours, fields.weekdays), (vec![3], vec![0]));
        assert!(fields.days.is_empty() && fields.months.is_empty());
    }
}
