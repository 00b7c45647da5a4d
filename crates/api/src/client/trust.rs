use icefield_pki::{Bundle, TokenId};
use icefield_spec::{Name, Revision};

use super::{Client, ClientError};
use crate::{
    AuditLog, CaStatus, EnrolAnswer, EnrolRequest, JoinTokenRequest, JoinTokens, RenewAnswer, RenewRequest,
    RotateRequest, TrustAnswer, UserTokenRequest, UserTokenRotation, UserTokens,
};

/// Certificates, tokens and the audit log.
impl Client {
    /// Whom the cluster trusts.
    pub async fn trust(&self) -> Result<TrustAnswer, ClientError> {
        self.get("/v1/trust").await
    }

    /// Asks for this machine's first certificate.
    pub async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolAnswer, ClientError> {
        self.post("/v1/join", request).await
    }

    /// Says whom this machine trusts, and asks for its next certificate.
    pub async fn renew(&self, request: &RenewRequest) -> Result<RenewAnswer, ClientError> {
        self.post("/v1/renew", request).await
    }

    /// The authorities, and how far a rotation is.
    pub async fn ca(&self) -> Result<CaStatus, ClientError> {
        self.get("/v1/ca").await
    }

    /// Starts a rotation of the authority, or goes on with one.
    pub async fn rotate_ca(&self, request: &RotateRequest) -> Result<CaStatus, ClientError> {
        self.post("/v1/ca", request).await
    }

    /// The join tokens.
    pub async fn join_tokens(&self) -> Result<JoinTokens, ClientError> {
        self.get("/v1/join-tokens").await
    }

    /// Makes a join token known.
    pub async fn create_join_token(&self, request: &JoinTokenRequest) -> Result<JoinTokens, ClientError> {
        self.post("/v1/join-tokens", request).await
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
        self.post("/v1/tokens", request).await
    }

    /// Gives someone another secret.
    pub async fn rotate_token(&self, name: &Name, request: &UserTokenRotation) -> Result<UserTokens, ClientError> {
        self.post(&format!("/v1/tokens/{name}"), request).await
    }

    /// Revokes all tokens of someone.
    pub async fn revoke_token(&self, name: &Name) -> Result<UserTokens, ClientError> {
        self.delete(&format!("/v1/tokens/{name}")).await
    }

    /// The audit log after entry `after`.
    pub async fn audit(&self, after: u64) -> Result<AuditLog, ClientError> {
        self.get(&format!("/v1/audit?after={after}")).await
    }

    /// Takes over the bundle that the cluster has now, if an answer says that it is another one than this client's.
    pub(super) async fn follow(&self, response: &reqwest::Response, server: &str) {
        let Some(keyring) = &self.follows else { return };
        let told = response.headers().get(crate::TrustMark::HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        let held = keyring.held();
        if told.is_none_or(|told: Revision| told == held.bundle.revision()) {
            return;
        }
        let answer = self.http.get().get(format!("{server}/v1/trust")).timeout(Self::ANSWER).send().await;
        let answer = match answer {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        let bundle: Option<Bundle> =
            answer.ok().and_then(|body| Some(serde_json::from_slice::<TrustAnswer>(&body).ok()?.bundle));
        if let Some(bundle) = bundle {
            keyring.replace(crate::Held { bundle, ..held });
        }
    }
}
