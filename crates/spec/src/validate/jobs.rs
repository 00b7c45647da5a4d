use super::Check;
use crate::{Job, Millis, Name, Service, Unit};

impl Check<'_> {
    pub(super) fn job(&mut self, name: &Name, job: &Job) {
        let path = format!("jobs.{name}");
        if self.spec.services.contains_key(name) {
            let message = format!("there is a service {:?} already", name.as_str());
            self.report(format!("{path}.name"), message).help = Some("give one of them another name".into());
        }
        if !Service::PRIORITIES.contains(&job.priority) {
            let (least, most) = Service::PRIORITIES.into_inner();
            let message = format!("priority {} is not within {least} to {most}", job.priority);
            self.report(format!("{path}.priority"), message);
        }
        let service = job.as_service();
        if let Some(namespace) = &job.namespace {
            self.service_namespace(&path, namespace, &service);
        }
        self.unit(&path, &job.unit);
        self.job_unit(&path, &job.unit);
        self.rules(&path, &service);
        self.company(&path, name, &job.rules);
        self.job_limits(&path, job);
        if let Some(Err(error)) = job.schedule.as_ref().map(|schedule| schedule.timetable()) {
            self.report(format!("{path}.schedule"), error.to_string()).help = Some(error.help());
        }
        self.dependencies(&path, &job.after);
    }

    /// What a run cannot have.
    fn job_unit(&mut self, path: &str, unit: &Unit) {
        if unit.health.is_some() {
            let message = "a job has no health check: it is well when it ends with exit code 0";
            self.report(format!("{path}.health"), message);
        }
    }

    fn job_limits(&mut self, path: &str, job: &Job) {
        if job.retries > Job::MAX_RETRIES {
            let message = format!("{} retries; at most {} may be", job.retries, Job::MAX_RETRIES);
            self.report(format!("{path}.retries"), message);
        }
        if job.deadline == Millis::default() {
            self.report(format!("{path}.deadline"), "deadline is 0: no run could ever be in time");
        } else if job.deadline > Job::MAX_DEADLINE {
            let message = format!("deadline ({}) is longer than {}", job.deadline, Job::MAX_DEADLINE);
            self.report(format!("{path}.deadline"), message);
        }
        if job.pause > Job::LONGEST_PAUSE {
            let message = format!("pause ({}) is longer than {}", job.pause, Job::LONGEST_PAUSE);
            self.report(format!("{path}.pause"), message);
        }
    }
}
