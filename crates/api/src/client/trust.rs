use icefield_pki::TokenId;
use icefield_spec::{Name, Revision};

use super::{Client, ClientError};
use crate::{
    AuditLog, CaStatus, EnrolAnswer, EnrolRequest, Held, JoinTokenRequest, JoinTokens, RenewAnswer, RenewRequest,
    RotateRequest, TrustAnswer, TrustMark, UserTokenRequest, UserTokenRotation, UserTokens,
};

/// Certificates, tokens and the audit log.
impl Client {
    /// Whom the cluster trusts.
    pub async fn trust(&self) -> Result<TrustAnswer, ClientError> {
        self.get("/v1/trust").await
    }

    /// Asks for this machine's first certificate.
    pub async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolAnswer, ClientError> {
        self.change("/v1/join", request).await
    }

    /// Says whom this machine trusts, and asks for its next certificate.
    pub async fn renew(&self, request: &RenewRequest) -> Result<RenewAnswer, ClientError> {
        self.change("/v1/renew", request).await
    }

    /// The authorities, and how far a rotation is.
    pub async fn ca(&self) -> Result<CaStatus, ClientError> {
        self.get("/v1/ca").await
    }

    /// Starts a rotation of the authority, or goes on with one.
    pub async fn rotate_ca(&self, request: &RotateRequest) -> Result<CaStatus, ClientError> {
        self.change("/v1/ca", request).await
    }

    /// The join tokens.
    pub async fn join_tokens(&self) -> Result<JoinTokens, ClientError> {
        self.get("/v1/join-tokens").await
    }

    /// Makes a join token known.
    pub async fn create_join_token(&self, request: &JoinTokenRequest) -> Result<JoinTokens, ClientError> {
        self.change("/v1/join-tokens", request).await
    }

    /// Revokes a join token.
    pub async fn revoke_join_token(&self, id: TokenId) -> Result<JoinTokens, ClientError> {
        self.delete(&format!("/v1/join-tokens/{id}")).await
    }

    /// The tokens of people and programs.
    pub async fn tokens(&self) -> Result<UserTokens, ClientError> {
        self.get("/v1/tokens").await
    }

    /// Makes the token of a person or a program known.
    pub async fn create_token(&self, request: &UserTokenRequest) -> Result<UserTokens, ClientError> {
        self.change("/v1/tokens", request).await
    }

    /// Gives someone another secret.
    pub async fn rotate_token(&self, name: &Name, request: &UserTokenRotation) -> Result<UserTokens, ClientError> {
        self.change(&format!("/v1/tokens/{name}"), request).await
    }

    /// Revokes all tokens of someone.
    pub async fn revoke_token(&self, name: &Name) -> Result<UserTokens, ClientError> {
        self.delete(&format!("/v1/tokens/{name}")).await
    }

    /// The audit log after entry `after`.
    pub async fn audit(&self, after: u64) -> Result<AuditLog, ClientError> {
        self.get(&format!("/v1/audit?after={after}")).await
    }

    /// Whether an answer says that the cluster has another bundle than this client.
    pub(super) fn newer_bundle(&self, response: &reqwest::Response) -> bool {
        let Some(keyring) = &self.follows else { return false };
        let told = response.headers().get(TrustMark::HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        told.is_some_and(|told: Revision| told != keyring.held().bundle.revision())
    }

    /// Takes over the bundle that the cluster has now.
    pub(super) async fn follow(&self, server: &str) {
        let Some(keyring) = &self.follows else { return };
        let answer = self.http.get().get(format!("{server}/v1/trust")).timeout(Self::ANSWER).send().await;
        let body = match answer {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        let answer: Option<TrustAnswer> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        if let Some(TrustAnswer { bundle, .. }) = answer {
            keyring.replace(Held { bundle, ..keyring.held() });
        }
    }
}
