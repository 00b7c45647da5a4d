use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use icefield_api::{Client, ClientError, SecretRequest, SecretValue};
use icefield_spec::{Name, Spec};

use crate::command_error::CommandError;

/// What a line begins with that tells of secrets which were given values of chance.
pub(super) const UNSET: &str = "nobody has set ";

/// A secret by its namespace and name.
type Id = (Option<Name>, Name);

/// What the secrets of a dev cluster are: those that were given, and for the others whatever comes up.
#[derive(Debug, Clone, Default)]
pub(crate) struct DevSecrets {
    given: BTreeMap<Id, SecretValue>,
}

impl DevSecrets {
    /// As given on the command line: `NAME=VALUE` or `NAMESPACE/NAME=VALUE`.
    pub(crate) fn parse(all: &[String]) -> Result<Self, CommandError> {
        let mut given = BTreeMap::new();
        for text in all {
            // What is wrong is told without the text, which may be the value.
            let wrong =
                || CommandError::new("--secret gives no secret").hint("write it like --secret db-password=VALUE");
            let (id, value) = text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or_else(wrong)?;
            let (namespace, name) = id.rsplit_once('/').map_or((None, id), |(namespace, name)| (Some(namespace), name));
            let named = |name: &str| Name::new(name).map_err(|error| CommandError::new(error.to_string()));
            let id = (namespace.map(named).transpose()?, named(name)?);
            given.insert(id, SecretValue::from(value.as_bytes().to_vec()));
        }
        Ok(Self { given })
    }

    /// Sets those that were given. What one of them is set to later by hand stays so.
    pub(super) async fn set_given(&self, client: &Client) -> Result<(), ClientError> {
        for ((namespace, name), value) in &self.given {
            set(client, namespace.as_ref(), name, value.clone()).await?;
        }
        Ok(())
    }

    /// Gives each secret that `spec` names and that is not there a value of chance; which these are.
    pub(super) async fn make_missing(&self, client: &Client, spec: &Spec) -> Result<Vec<String>, CommandError> {
        let there: BTreeSet<Id> =
            client.secrets().await?.secrets.into_iter().map(|secret| (secret.namespace, secret.name)).collect();
        let services = spec.services.values().map(|service| (&service.namespace, &service.unit));
        let jobs = spec.jobs.values().map(|job| (&job.namespace, &job.unit));
        let named = services
            .chain(jobs)
            .flat_map(|(namespace, unit)| unit.secret_names().into_iter().map(|name| (namespace.clone(), name)));
        let missing: BTreeSet<Id> = named.filter(|id| !there.contains(id)).collect();
        for (namespace, name) in &missing {
            set(client, namespace.as_ref(), name, random()?).await?;
        }
        Ok(missing.into_iter().map(|(_, name)| name.to_string()).collect())
    }
}

async fn set(client: &Client, namespace: Option<&Name>, name: &Name, value: SecretValue) -> Result<(), ClientError> {
    let request = SecretRequest { name: name.clone(), namespace: namespace.cloned(), value };
    client.set_secret(&request).await.map(drop)
}

/// A value that nobody knows, as text so that a variable can hold it.
fn random() -> io::Result<SecretValue> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(SecretValue::from(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect::<Vec<u8>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_given_by_its_name_and_perhaps_its_namespace() {
        let parse = |text: &str| DevSecrets::parse(&[text.to_owned()]);
        let name = |text: &str| Name::new(text).unwrap();
        let given = parse("team/db-password=a=b").unwrap().given;
        assert_eq!(given[&(Some(name("team")), name("db-password"))].reveal(), b"a=b");
        assert_eq!(parse("key=x").unwrap().given[&(None, name("key"))].reveal(), b"x");
        for bad in ["hunter2", "key=", "=hunter2", "Key=hunter2", "/key=hunter2"] {
            assert!(!parse(bad).unwrap_err().text().contains("hunter2"), "{bad}");
        }
    }

    #[test]
    fn what_comes_up_is_text_and_another_each_time() {
        let value = random().unwrap();
        assert_eq!(value.text().unwrap().len(), 32);
        assert!(value != random().unwrap());
    }
}
