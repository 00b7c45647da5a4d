use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Work;
use crate::activation::Given;
use crate::exchange::Exchange;

impl Work {
    /// Has the node brought to the system that its generation names, by a task of `tasks`.
    pub(super) fn activate(&mut self, exchange: Option<Arc<Exchange>>, tasks: &mut JoinSet<()>) {
        let Some(activation) = self.activation.take() else { return };
        let (reports, system) = watch::channel(Default::default());
        self.system = Some(system);
        self.give();
        let activation = activation.through(exchange);
        tasks.spawn(activation.run(self.given.subscribe(), self.contact.subscribe(), reports));
    }

    /// Tells the activation what it goes by.
    pub(super) fn give(&self) {
        if self.system.is_none() {
            return;
        }
        let new = match self.kept.newest() {
            Some(generation) => Given {
                generation: generation.number,
                wanted: generation.plan.nixos.clone(),
                planned: generation.plan.replicas.keys().cloned().collect(),
                healthy: self.local.healthy().cloned().collect(),
            },
            None => Given::default(),
        };
        self.given.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }

    /// What to say where a system is wanted and this agent activates none.
    pub(super) fn without_activation(&self) -> Option<String> {
        let wanted = self.kept.newest()?.plan.nixos.as_ref().filter(|_| self.system.is_none())?;
        Some(format!(
            "this agent activates no systems, so {} is left to others; --system-profile has it do so",
            wanted.path.short()
        ))
    }
}
