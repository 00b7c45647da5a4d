use icefield_spec::{Job, Schedule};

use super::service_change::{rules_update, unit_update};
use super::update::{part_update, value_update};

/// What there is to say of a job that is new.
pub(super) fn new_job(job: &Job) -> String {
    match &job.schedule {
        Some(schedule) => format!("runs at {}", times(schedule)),
        None => "runs once".into(),
    }
}

/// What of a job changes. Another unit makes it run again.
pub(super) fn update(old: &Job, new: &Job) -> Vec<String> {
    let namespace = |job: &Job| job.namespace.as_ref().map_or("none".into(), ToString::to_string);
    let schedule = |job: &Job| job.schedule.as_ref().map_or("none".into(), times);
    let parts = [
        value_update("namespace", &namespace(old), &namespace(new)),
        value_update("priority", &old.priority, &new.priority),
        value_update("schedule", &schedule(old), &schedule(new)),
        value_update("retries", &old.retries, &new.retries),
        value_update("pause", &old.pause, &new.pause),
        value_update("deadline", &old.deadline, &new.deadline),
        part_update("after", &old.after, &new.after),
    ];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.extend(unit_update(&old.unit, &new.unit));
    parts.extend(rules_update(&old.rules, &new.rules));
    parts
}

fn times(schedule: &Schedule) -> String {
    format!("{:?} {}", schedule.cron, schedule.timezone)
}
