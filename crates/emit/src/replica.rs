use std::collections::BTreeMap;

use icefield_plan::{NodePlan, PlannedReplica};
use icefield_spec::template::{self, TemplateData};
use icefield_spec::{FileContent, InvalidReference, Name, ReplicaContext, Revision, Unit, replica_variables};

use crate::fleet::ServiceRevision;
use crate::{EmitError, files, volumes};

/// Where the endpoints of used services are on a node.
pub(crate) const ENDPOINTS: &str = "/etc/icefield/endpoints";

/// One replica of a plan, with where everything of it is on its node.
pub(crate) struct Replica<'a> {
    plan: &'a NodePlan,
    service: &'a Name,
    revision: Revision,
    unit: &'a Unit,
    index: u32,
    ports: &'a BTreeMap<Name, u16>,
    volumes: String,
    files: String,
    credentials: String,
}

impl<'a> Replica<'a> {
    pub(crate) fn new(
        plan: &'a NodePlan,
        service: &ServiceRevision<'a>,
        index: u32,
        planned: &'a PlannedReplica,
    ) -> Self {
        let ServiceRevision { service: name, revision, unit, .. } = *service;
        Self {
            plan,
            service: name,
            revision,
            unit,
            index,
            ports: &planned.ports,
            volumes: volumes::folder(name, index),
            files: files::folder(name, index),
            credentials: files::credentials(name, index),
        }
    }

    fn context(&self) -> ReplicaContext<'_> {
        ReplicaContext {
            cluster: &self.plan.cluster,
            service: self.service,
            index: self.index,
            node: &self.plan.node,
            address: &self.plan.address,
            revision: &self.revision,
            ports: self.ports,
            endpoints: ENDPOINTS,
            volumes: &self.volumes,
            files: &self.files,
            credentials: Some(&self.credentials),
        }
    }

    /// Its environment, but for what is secret.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>, EmitError> {
        let wrong = |source: InvalidReference| EmitError::Reference {
            service: self.service.clone(),
            place: "the environment".into(),
            source,
        };
        replica_variables(self.unit, &self.context()).map_err(wrong)
    }

    /// Its files by path, but for those that are secrets.
    pub(crate) fn files(&self) -> Result<Vec<(&'a str, String)>, EmitError> {
        let mut written = Vec::new();
        let mut data = None;
        for (path, file) in &self.unit.files {
            let text = match &file.content {
                FileContent::Text { text } => text.clone(),
                FileContent::Secret { .. } => continue,
                FileContent::Template { template } => {
                    let data = match &data {
                        Some(data) => data,
                        None => data.insert(TemplateData::of(self.unit, &self.context(), &self.variables()?)),
                    };
                    template::render(template, data).map_err(|source| EmitError::Template {
                        service: self.service.clone(),
                        file: path.clone(),
                        source,
                    })?
                }
            };
            written.push((path.as_str(), text));
        }
        Ok(written)
    }
}
