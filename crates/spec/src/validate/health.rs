use super::Check;
use super::wording::suggestion;
use crate::{Health, Millis, Name, Probe, Unit};

impl Check<'_> {
    pub(super) fn health(&mut self, path: &str, unit: &Unit, health: &Health) {
        let at = format!("{path}.health");
        if let Some(port) = health.probe.port()
            && !unit.ports.contains_key(port)
        {
            let help = suggestion(port.as_str(), unit.ports.keys().map(Name::as_str));
            self.report(&at, format!("the service has no port {:?}", port.as_str())).help = help;
        }
        match &health.probe {
            Probe::Http { path, .. } if !path.starts_with('/') || path.contains(char::is_whitespace) => {
                self.report(&at, format!("{path:?} is not a path; it starts with \"/\" and holds no white space"));
            }
            Probe::Exec { command } => self.command(&at, command, unit),
            _ => {}
        }
        self.asking(&at, health);
    }

    /// How often and how patiently is asked.
    pub(super) fn asking(&mut self, at: &str, health: &Health) {
        if health.threshold == 0 {
            self.report(at, "threshold is 0: it would be unhealthy before it was asked");
        }
        if health.interval < Millis::new(10) {
            self.report(at, format!("interval {} is too short; at least 10ms", health.interval));
        }
        if health.timeout == Millis::default() {
            self.report(at, "timeout is 0: no answer could be in time");
        }
    }
}
