//! What can be wrong with a spec in itself, one file a noun.

mod bases;
mod circles;
mod company;
mod conditions;
mod declared;
mod dependencies;
mod files;
mod health;
mod jobs;
mod machines;
mod namespaces;
mod nix;
mod policy;
mod resources;
mod rules;
mod run;
mod services;
mod syntax;
mod told;
mod totals;
mod unit;
mod updates;
mod volumes;
mod wording;

use declared::Declared;

use crate::{Problem, SCHEMA_VERSION, Spec};

impl Spec {
    /// Everything that is wrong with the spec in itself, whatever the fleet's state; in the order of the declarations.
    pub fn validate(&self) -> Vec<Problem> {
        let mut check = Check { spec: self, declared: Declared::of(self), problems: Vec::new() };
        check.spec();
        check.problems
    }
}

struct Check<'a> {
    spec: &'a Spec,
    declared: Declared<'a>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        let at = self.problems.len();
        self.problems.push(Problem::new(path, message));
        &mut self.problems[at]
    }

    fn spec(&mut self) {
        let spec = self.spec;
        if spec.schema != SCHEMA_VERSION {
            self.report(
                "schema",
                format!("this is schema {}, this icefield reads schema {SCHEMA_VERSION}", spec.schema),
            );
        }
        if spec.node_count() > Spec::MAX_NODES {
            let count = spec.node_count();
            self.report("pools", format!("{count} nodes are declared; at most {} may be", Spec::MAX_NODES));
        }
        if spec.replica_count() > Spec::MAX_REPLICAS {
            let count = spec.replica_count();
            self.report("services", format!("{count} replicas are declared; at most {} may be", Spec::MAX_REPLICAS));
        }
        spec.bases.iter().for_each(|(name, base)| self.base(name, base));
        self.machines();
        spec.namespaces.iter().for_each(|(name, quota)| self.namespace(name, quota));
        self.policy(&spec.policy);
        spec.services.iter().for_each(|(name, service)| self.service(name, service));
        spec.jobs.iter().for_each(|(name, job)| self.job(name, job));
        self.company_circles();
        self.dependency_circles();
        self.volumes_in_common();
        self.totals();
    }
}
