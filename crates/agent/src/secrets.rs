use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use icefield_api::{NodeSecrets, SecretValue};
use icefield_plan::NodePlan;
use icefield_spec::{Name, Unit};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::servers::{Servers, pause};

/// The secrets that this node's plan names, in memory alone: the next agent asks for them again.
#[derive(Debug, Default)]
pub(crate) struct SecretStore {
    values: BTreeMap<u64, SecretValue>,
}

impl SecretStore {
    /// Forgets what `plan` does not name; the versions that are missing.
    pub(crate) fn keep_only(&mut self, plan: &NodePlan) -> BTreeSet<u64> {
        let named: BTreeSet<u64> =
            plan.units.values().flat_map(|planned| planned.unit.secrets.values().copied()).collect();
        self.values.retain(|number, _| named.contains(number));
        named.into_iter().filter(|number| !self.values.contains_key(number)).collect()
    }

    /// Takes up what a server has given.
    pub(crate) fn take(&mut self, given: NodeSecrets) {
        self.values.extend(given.values);
    }

    /// The secrets of a unit by name.
    ///
    /// # Errors
    /// One is not there yet; the message says so.
    pub(crate) fn of(&self, unit: &Unit) -> Result<BTreeMap<Name, SecretValue>, String> {
        let value = |name: Name| {
            let value = unit.secrets.get(&name).and_then(|number| self.values.get(number));
            let value = value.ok_or_else(|| format!("waits for the secret {name}: no server has given it yet"))?;
            Ok((name, value.clone()))
        };
        unit.secret_names().into_iter().map(value).collect()
    }
}

/// Asks the servers for secrets as long as any is missing.
pub(crate) struct FetchSecrets {
    pub(crate) servers: Servers,
    pub(crate) node: Name,
    pub(crate) retry: Duration,
    /// The versions that are missing.
    pub(crate) missing: watch::Receiver<BTreeSet<u64>>,
}

impl FetchSecrets {
    pub(crate) async fn run(mut self, given: mpsc::UnboundedSender<NodeSecrets>) {
        let mut failures = 0;
        loop {
            if self.missing.wait_for(|missing| !missing.is_empty()).await.is_err() {
                return;
            }
            match self.servers.client().node_secrets(&self.node).await {
                Ok(secrets) => {
                    let wanted = self.missing.borrow().clone();
                    let complete = wanted.iter().all(|number| secrets.values.contains_key(number));
                    if given.send(secrets).is_err() {
                        return;
                    }
                    failures = if complete { 0 } else { failures + 1 };
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot ask for secrets");
                    failures += 1;
                }
            }
            let _ = tokio::time::timeout(pause(self.retry, failures), self.missing.changed()).await;
            if failures == 0 {
                continue;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, Cpu, Run};

    use super::*;

    #[test]
    fn what_is_missing_is_told_and_what_is_no_longer_named_is_forgotten() {
        let name = |text: &str| Name::new(text).unwrap();
        let run = Run::Exec { command: vec!["true".into()] };
        let mut unit = Unit::new(run, Cpu::from_millis(1), Bytes::new(1));
        unit.secret_env.insert("DB".into(), name("db"));
        unit.secrets.insert(name("db"), 7);
        let mut store = SecretStore::default();
        assert!(store.of(&unit).unwrap_err().contains("the secret db"));
        let value = SecretValue::from(b"hunter2".to_vec());
        store.take(NodeSecrets { schema: 1, values: BTreeMap::from([(7, value.clone()), (8, value)]) });
        assert_eq!(store.of(&unit).unwrap()[&name("db")].reveal(), b"hunter2");
        assert!(!format!("{store:?}").contains("hunter2"));
        let plan = NodePlan {
            schema: 1,
            cluster: name("c"),
            node: name("n"),
            address: String::new(),
            system: String::new(),
            base: None,
            nixos: None,
            units: BTreeMap::new(),
            replicas: BTreeMap::new(),
        };
        assert!(store.keep_only(&plan).is_empty());
        assert!(store.of(&unit).is_err());
    }
}
