use std::collections::BTreeSet;

use icefield_api::AuditFacts;
use icefield_spec::{Name, Revision};
use serde::{Deserialize, Serialize};

use super::SecretId;

/// Who asked for a command, and with what request: for the audit log, and for what only the state can check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who: `user anna`, `node n1`, …
    pub who: String,
    /// The address that the request came from.
    pub from: String,
    /// The operation's id.
    pub operation: String,
    /// The path that it was sent to.
    pub subject: String,
    /// The only namespaces that may be changed; all if empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<Name>,
}

impl Author {
    /// What there is to write down.
    pub fn facts(self, revision: Option<Revision>, outcome: String) -> AuditFacts {
        let Self { at, who, from, operation, subject, .. } = self;
        AuditFacts { at, who, from, operation, subject, revision, outcome }
    }
}

impl Author {
    /// Refuses a secret that its author may not change.
    pub(super) fn check_secret(&self, id: &SecretId) -> Result<(), String> {
        let mine = |namespace: &Name| self.namespaces.contains(namespace);
        if self.namespaces.is_empty() || id.namespace.as_ref().is_some_and(mine) {
            return Ok(());
        }
        let mine: Vec<&str> = self.namespaces.iter().map(Name::as_str).collect();
        Err(format!("{} may change secrets of the namespaces {} alone (--namespace)", self.who, mine.join(", ")))
    }
}

impl super::State {
    /// Refuses what concerns a service that its author may not change.
    pub(super) fn check_namespace_of(&self, service: &Name, author: &Author) -> Result<(), String> {
        let declared = self.spec.as_ref().and_then(|spec| spec.services.get(service));
        let namespace = declared.and_then(|service| service.namespace.as_ref());
        if author.namespaces.is_empty() || namespace.is_some_and(|namespace| author.namespaces.contains(namespace)) {
            return Ok(());
        }
        let mine: Vec<&str> = author.namespaces.iter().map(Name::as_str).collect();
        let whose =
            namespace.map_or("which is of no namespace".into(), |namespace| format!("of namespace {namespace}"));
        Err(format!(
            "{} may change services of the namespaces {} alone, and this is service {service} {whose}",
            author.who,
            mine.join(", ")
        ))
    }

    /// Refuses a spec that changes what its author may not.
    /// Refuses that someone runs a job of a namespace that is not theirs.
    pub(super) fn check_job(&self, job: &Name, author: &Author) -> Result<(), String> {
        let declared = self.spec.as_ref().and_then(|spec| spec.jobs.get(job));
        let namespace = declared.and_then(|declared| declared.namespace.as_ref());
        if author.namespaces.is_empty() || namespace.is_some_and(|own| author.namespaces.contains(own)) {
            return Ok(());
        }
        let mine: Vec<&str> = author.namespaces.iter().map(Name::as_str).collect();
        Err(format!("{} may run jobs of the namespaces {} alone", author.who, mine.join(", ")))
    }

    pub(super) fn check_namespaces(&self, spec: &icefield_spec::Spec, author: &Author) -> Result<(), String> {
        const SHOWN: usize = 5;
        if author.namespaces.is_empty() {
            return Ok(());
        }
        let outside = crate::access::outside(self.spec.as_deref(), spec, &author.namespaces);
        if outside.is_empty() {
            return Ok(());
        }
        let more = match outside.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let mine: Vec<&str> = author.namespaces.iter().map(Name::as_str).collect();
        Err(format!(
            "{} may change services of the namespaces {} alone, and this changes {}{more}",
            author.who,
            mine.join(", "),
            outside[..outside.len().min(SHOWN)].join(", ")
        ))
    }
}
