use icefield_plan::NodePlan;
use icefield_spec::Spec;

use crate::fleet::Fleet;
use crate::form::Form;
use crate::nix::Nix;
use crate::systemd::Systemd;
use crate::{EmitError, File, Target, Tree, files, secrets};

/// Writes one cluster in one target's form.
pub struct Emitter<'a> {
    form: Box<dyn Form + Sync + 'a>,
}

impl<'a> Emitter<'a> {
    /// Makes ready to write `plans`, all the node plans of `spec`.
    ///
    /// # Errors
    /// If a service, as it is in the spec or in a plan, cannot be expressed by the target.
    pub fn new(target: Target, spec: &'a Spec, plans: &'a [NodePlan]) -> Result<Self, EmitError> {
        let fleet = Fleet::new(spec, plans)?;
        for service in fleet.services.values() {
            secrets::check(service.service, service.unit)?;
            files::check(service.service, service.unit, target)?;
        }
        let form: Box<dyn Form + Sync + 'a> = match target {
            Target::Nix => Box::new(Nix::new(fleet)?),
            Target::Systemd => Box::new(Systemd::new(fleet)?),
        };
        Ok(Self { form })
    }

    /// The files that belong to no single node.
    ///
    /// # Errors
    /// If a value of the spec cannot be expressed by the target.
    pub fn shared(&self) -> Result<Vec<File>, EmitError> {
        self.form.shared()
    }

    /// The files of one node: one of those that the emitter was made for.
    ///
    /// # Errors
    /// If a value of the plan cannot be expressed by the target.
    pub fn node(&self, plan: &NodePlan) -> Result<Vec<File>, EmitError> {
        self.form.node(plan)
    }
}

/// Writes the whole cluster: what is shared and every node.
///
/// # Errors
/// If the target cannot express something of it.
pub fn emit(target: Target, spec: &Spec, plans: &[NodePlan]) -> Result<Tree, EmitError> {
    let emitter = Emitter::new(target, spec, plans)?;
    let mut tree = Tree::default();
    tree.extend(emitter.shared()?);
    for plan in plans {
        tree.extend(emitter.node(plan)?);
    }
    Ok(tree)
}
