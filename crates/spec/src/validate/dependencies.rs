use std::collections::BTreeSet;

use super::Check;
use super::circles::{circles, way};
use super::wording::suggestion;
use crate::{Dependency, Name};

impl Check<'_> {
    /// What `after` of a service or a job names.
    pub(super) fn dependencies(&mut self, path: &str, after: &[Dependency]) {
        let at = format!("{path}.after");
        let spec = self.spec;
        let (services, jobs) = (&spec.services, &spec.jobs);
        let mut seen = BTreeSet::new();
        for dependency in after {
            let name = dependency.name().as_str();
            if !seen.insert(dependency) {
                self.report(&at, format!("{name:?} is there twice"));
                continue;
            }
            let (known, other) = match dependency {
                Dependency::Service(name) => (services.contains_key(name), jobs.contains_key(name)),
                Dependency::Job(name) => (jobs.contains_key(name), services.contains_key(name)),
            };
            if !known {
                let help = match dependency {
                    Dependency::Service(_) if other => Some(format!("{name:?} is a job: write job({name:?})")),
                    Dependency::Job(_) if other => Some(format!("{name:?} is a service: write {name:?}")),
                    Dependency::Service(_) => suggestion(name, services.keys().map(Name::as_str)),
                    Dependency::Job(_) => suggestion(name, jobs.keys().map(Name::as_str)),
                };
                self.report(&at, format!("there is no {} {name:?}", dependency.kind())).help = help;
            } else if let Dependency::Job(job) = dependency
                && jobs.get(job).is_some_and(|job| job.schedule.is_some())
            {
                let message = format!("the job {name:?} runs on a schedule, so it is never done");
                self.report(&at, message).help = Some("wait for a job that has no schedule".into());
            }
        }
    }

    /// Reports services and jobs that wait for each other in a circle.
    pub(super) fn dependency_circles(&mut self) {
        let spec = self.spec;
        let services = spec.services.keys().map(|name| (false, name));
        let jobs = spec.jobs.keys().map(|name| (true, name));
        let follow = |(is_job, name): (bool, &Name)| {
            let after = if is_job {
                spec.jobs.get(name).map(|job| &job.after)
            } else {
                spec.services.get(name).map(|service| &service.after)
            };
            let known = after.into_iter().flatten().rev().filter_map(|dependency| match dependency {
                Dependency::Service(name) => Some((false, spec.services.get_key_value(name)?.0)),
                Dependency::Job(name) => Some((true, spec.jobs.get_key_value(name)?.0)),
            });
            known.collect::<Vec<_>>()
        };
        for circle in circles(services.chain(jobs), follow) {
            let Some((is_job, first)) = circle.first() else { continue };
            let field = if *is_job { "jobs" } else { "services" };
            let second = circle.get(1).map_or(first, |(_, second)| second);
            let shown = way(circle.iter().map(|(_, name)| name.as_str()));
            let message = format!("waiting for {:?} goes in a circle: {shown}", second.as_str());
            self.report(format!("{field}.{first}.after"), message).help =
                Some("one of them must come first: let it wait for none of the others".into());
        }
    }
}
