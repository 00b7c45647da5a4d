use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use icefield_api::{EnrolAnswer, EnrolRequest, ErrorCode, RenewAnswer, RenewRequest, SCHEMA};
use icefield_pki::{Authority, Bundle, Chain, Identity, JoinToken, PkiError, SigningRequest};
use icefield_spec::Revision;

use super::app::App;
use super::asker::Asker;
use super::body;
use super::failure::Failure;
use crate::access::Presented;
use crate::security::VALIDITY;
use crate::state::{Author, Proposal, Renewal, Trust, TrustStep};
use crate::{Applied, Command, State as Agreed};

/// A machine's first certificate.
pub(crate) async fn enrol(
    State(app): State<Arc<App>>,
    asker: Asker,
    body: Bytes,
) -> Result<Json<EnrolAnswer>, Failure> {
    let EnrolRequest { token, request, identity } = body::json(body).await?;
    let token: JoinToken = token.parse().map_err(|error| refused(format!("{error}")))?;
    let (hash, now) = (Revision::of(&request), app.clock.now());
    let state = app.state().await?;
    let record = state.trust.joining(&token, hash, now).map_err(refused)?;
    if record.used.is_none() {
        record.allows(&identity).map_err(refused)?;
        // Later than any that whoever had this name was issued, by as much as a start can tell.
        let after = state.trust.enrolled.get(&identity).map_or(0, |before| before.latest() + 1_000);
        let chain = issue(&state, &request, &identity, (now, after))?;
        let step = TrustStep::Enrol { token: token.id(), request: hash, chain };
        let author =
            Author { who: format!("join token {}", token.id()), subject: identity.to_string(), ..asker.author };
        let command = Command::Trust { at: now, step };
        if let Applied::Refused(reason) =
            app.group.offer(&Proposal { command, request: None, author: Some(author) }).await?
        {
            return Err(Failure::new(ErrorCode::Conflict, reason));
        }
    }
    // As the state has it: another request of the same machine may have come before this one.
    let state = app.group.state().await;
    let used = state.trust.join_tokens.get(&token.id()).and_then(|record| record.used.as_ref());
    let chain = used.map(|used| used.chain.clone()).ok_or_else(|| refused("this join token was revoked".into()))?;
    let answer =
        EnrolAnswer { schema: SCHEMA, identity: chain.identity().clone(), chain, bundle: bundle(&state.trust)? };
    Ok(Json(answer))
}

/// A machine's next certificate, and what it tells of itself.
pub(crate) async fn renew(
    State(app): State<Arc<App>>,
    asker: Asker,
    body: Bytes,
) -> Result<Json<RenewAnswer>, Failure> {
    let RenewRequest { bundle: has, request } = body::json(body).await?;
    let Presented::Certificate { identity, authority, starts: shown } = asker.presented else {
        return Err(Failure::invalid("only who has a certificate can have it renewed"));
    };
    let now = app.clock.now();
    let state = app.state().await?;
    let first = state.trust.enrolled.get(&identity).map_or(0, |enrolment| enrolment.starts);
    let chain = request.map(|request| issue(&state, &request, &identity, (now, first))).transpose()?;
    let renewal = chain.as_ref().map(|chain| Renewal { shown, next: chain.starts() });
    if renewal.is_some() || !state.trust.knows(&identity, authority, has) {
        let step = TrustStep::Told { identity, authority, bundle: has, renewal };
        if let Applied::Refused(reason) = app.group.propose(Command::Trust { at: now, step }).await? {
            return Err(Failure::new(ErrorCode::Conflict, reason));
        }
    }
    let bundle = bundle(&app.group.state().await.trust)?;
    Ok(Json(RenewAnswer { schema: SCHEMA, chain, bundle }))
}

/// A certificate from `now` on, which starts no earlier than `first`: also where this server's clock is behind that of the one
/// that issued the one before.
fn issue(
    state: &Agreed,
    request: &SigningRequest,
    identity: &Identity,
    (now, first): (u64, u64),
) -> Result<Chain, Failure> {
    let signer = state.trust.signer().ok_or_else(no_trust)?;
    let backdate = u64::try_from(Authority::BACKDATE.as_millis()).unwrap_or(u64::MAX);
    signer.issue(request, identity, VALIDITY, now.max(first.saturating_add(backdate))).map_err(|error| match error {
        PkiError::RefusedRequest(_) => Failure::invalid(error.to_string()),
        other => Failure::new(ErrorCode::Internal, other.to_string()),
    })
}

fn bundle(trust: &Trust) -> Result<Bundle, Failure> {
    trust.bundle.clone().ok_or_else(no_trust)
}

/// The cluster has no certificates.
pub(crate) fn no_trust() -> Failure {
    Failure::new(ErrorCode::Conflict, "this cluster has no certificates: it was started for this machine alone")
}

fn refused(reason: String) -> Failure {
    Failure::new(ErrorCode::Unauthenticated, reason)
}
