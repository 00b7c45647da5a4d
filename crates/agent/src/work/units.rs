//! The part of the agent's loop that is about replicas which are units of systemd.

use super::Work;
use crate::shim::make_room;

impl Work {
    /// Now and then puts right what is not as it is to be, and makes room in logs: systemd writes on and on.
    pub(super) fn look_at_units(&mut self) {
        let now = self.now();
        let any = self.runs.values().any(|run| run.order.units.is_some());
        if !self.drift.is_due(any, now) {
            return;
        }
        for (id, run) in &self.runs {
            let Some(units) = &run.order.units else { continue };
            if run.process.is_some() {
                self.drift.heal(id, units, now);
            }
            // What takes long to start writes too.
            make_room(&run.home.log(), run.order.log);
        }
    }
}
