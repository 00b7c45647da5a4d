//! What sets the unit of a job apart from that of a replica, and its timer.

use std::fmt::Write;

use icefield_plan::NodePlan;
use icefield_spec::{Job, Name, Revision};

use crate::calendar::calendar;

/// Where it is noted which revisions have succeeded, below `/var/lib`.
const DONE: &str = "icefield/jobs";

/// All up to the command.
pub(super) fn head(out: &mut String, name: &Name, revision: Revision, job: &Job) {
    if !job.after.is_empty() {
        let after: Vec<String> = job.after.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "# It is to come after {}; between machines, see to that yourself.", after.join(", "));
    }
    let _ = write!(out, "\n[Unit]\nDescription=Job {name}\n");
    out.push_str("Wants=network-online.target\nAfter=network-online.target\n");
    let _ = writeln!(out, "StartLimitIntervalSec={}", job.deadline);
    let _ = writeln!(out, "StartLimitBurst={}", job.retries + 1);
    if job.schedule.is_none() {
        let _ = writeln!(out, "ConditionPathExists=!/var/lib/{DONE}/{name}.{}", revision.short());
    }
    out.push_str("\n[Service]\nType=oneshot\n");
}

/// What becomes of it when it has ended.
pub(super) fn restart(out: &mut String, name: &Name, revision: Revision, job: &Job) {
    if job.schedule.is_none() {
        let _ = writeln!(out, "StateDirectory={DONE}");
        let _ = writeln!(out, "ExecStartPost=/usr/bin/env touch /var/lib/{DONE}/{name}.{}", revision.short());
    }
    let _ = writeln!(out, "TimeoutStartSec={}", job.deadline);
    let _ = writeln!(out, "Restart=on-failure\nRestartSec={}", job.pause);
}

/// The timer of a job that has a schedule.
pub(super) fn timer(plan: &NodePlan, name: &Name, job: &Job) -> Option<String> {
    let times = calendar(job.schedule.as_ref()?)?;
    let mut out = format!("# Made by Icefield from the cluster \"{}\"; edits are lost.\n", plan.cluster);
    let _ = write!(out, "\n[Unit]\nDescription=Times of the job {name}\n\n[Timer]\n");
    for time in times {
        let _ = writeln!(out, "OnCalendar={time}");
    }
    // What was missed while the machine was off is made up for once.
    out.push_str("AccuracySec=1s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n");
    Some(out)
}
