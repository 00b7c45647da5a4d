use icefield_placement::ReplicaId;
use icefield_spec::{Dependency, Name};

use super::view::View;
use crate::reconcile::dependencies::{Unmet, unmet};
use crate::reconcile::standing::Known;

impl View<'_> {
    /// What the service comes after and that is not ready: not done, or not healthy.
    pub(super) fn unmet(&self) -> Option<Unmet> {
        let after = &self.service.after;
        unmet(self.state, after).or_else(|| after.iter().find_map(|dependency| self.unhealthy(dependency)))
    }

    fn unhealthy(&self, dependency: &Dependency) -> Option<Unmet> {
        let Dependency::Service(name) = dependency else { return None };
        let service = self.state.spec.as_ref()?.services.get(name)?;
        let own = self.wanted.own(name, service, self.state.services.get(name)?);
        let serves = |index: &u32| {
            let replica = ReplicaId::new(Name::clone(name), *index);
            Known::new(self.state, self.seen, replica, service.update.healthy_for, self.now).serves()
        };
        let serving = own.iter().filter(|index| serves(index)).count();
        let waits = || Unmet::Waits(format!("the service {name}, of which {serving} of {} serve", own.len()));
        (serving < own.len()).then(waits)
    }
}
