use icefield_spec::Name;

use super::{Client, ClientError};
use crate::{
    BackupKeyAnswer, BackupKeyRequest, Done, NodeSecrets, SecretAnswer, SecretList, SecretRequest, ServerKeyRequest,
};

/// Secrets.
impl Client {
    /// Gives a secret a value.
    pub async fn set_secret(&self, request: &SecretRequest) -> Result<SecretAnswer, ClientError> {
        self.change("/v1/secrets", request).await
    }

    /// All secrets, without their values.
    pub async fn secrets(&self) -> Result<SecretList, ClientError> {
        self.get("/v1/secrets").await
    }

    /// Removes a secret; with `force` also one that services use.
    pub async fn remove_secret(
        &self,
        name: &Name,
        namespace: Option<&Name>,
        force: bool,
    ) -> Result<SecretList, ClientError> {
        let namespace = namespace.map_or(String::new(), |namespace| format!("&namespace={namespace}"));
        self.delete(&format!("/v1/secrets/{name}?force={force}{namespace}")).await
    }

    /// The secrets that the plan of `node` names; for its agent alone.
    pub async fn node_secrets(&self, node: &Name) -> Result<NodeSecrets, ClientError> {
        self.get(&format!("/v1/nodes/{node}/secrets")).await
    }

    /// Makes the public key of a server known.
    pub async fn server_key(&self, server: &str, request: &ServerKeyRequest) -> Result<Done, ClientError> {
        self.change(&format!("/v1/servers/{server}/key"), request).await
    }

    /// The key that the secrets of a backup are opened with.
    pub async fn backup_key(&self, request: &BackupKeyRequest) -> Result<BackupKeyAnswer, ClientError> {
        self.change("/v1/backup/key", request).await
    }
}
