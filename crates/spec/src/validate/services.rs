use super::Check;
use crate::{Name, Service};

impl Check<'_> {
    pub(super) fn service(&mut self, name: &Name, service: &Service) {
        let path = format!("services.{name}");
        if service.replicas > Service::MAX_REPLICAS {
            let message = format!("{} replicas; at most {} may be", service.replicas, Service::MAX_REPLICAS);
            self.report(format!("{path}.replicas"), message);
        }
        if service.daemon {
            self.daemon(&path, service);
        }
        if !Service::PRIORITIES.contains(&service.priority) {
            let (least, most) = Service::PRIORITIES.into_inner();
            let message = format!("priority {} is not within {least} to {most}", service.priority);
            self.report(format!("{path}.priority"), message);
        }
        if let Some(namespace) = &service.namespace {
            self.service_namespace(&path, namespace, service);
        }
        self.unit(&path, &service.unit);
        if service.unit.once {
            self.report(format!("{path}.once"), "a service is started anew whenever it ends").help =
                Some("what runs to its end is a job".into());
        }
        self.exclusive_volumes(&path, service);
        self.dependencies(&path, &service.after);
        self.rules(&path, service);
        self.company(&path, name, &service.rules);
        self.update(&path, service);
    }

    /// The nodes alone say how many replicas a daemon has, and where.
    fn daemon(&mut self, path: &str, service: &Service) {
        if service.replicas != 0 {
            let message = "a daemon runs once on every node that fits, so it has no number of replicas";
            self.report(format!("{path}.replicas"), message).help = Some("leave out one of the two".into());
        }
        if !service.rules.spread.is_empty() {
            let message = "a daemon runs on every node that fits, so there is nothing to spread";
            let help = "leave out the spread; require says which nodes fit";
            self.report(format!("{path}.spread"), message).help = Some(help.into());
        }
        if service.unit.singleton {
            let message = "a daemon belongs to its nodes, so it cannot be a singleton";
            let help = "leave out one of the two: no replica of a daemon ever moves to another node";
            self.report(format!("{path}.singleton"), message).help = Some(help.into());
        }
    }
}
