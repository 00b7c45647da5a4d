use axum::http::HeaderName;
use icefield_api::IdempotencyKey;

/// The header that carries an [`IdempotencyKey`].
pub(crate) const KEY: HeaderName = HeaderName::from_static(IdempotencyKey::HEADER);

/// Marks a request that a server has passed on; it is not passed on again.
pub(crate) const FORWARDED: HeaderName = HeaderName::from_static("icefield-forwarded");

/// The header in which a server that passes a request on says who sent it; believed if a server sends it.
pub(crate) const PEER: HeaderName = HeaderName::from_static("icefield-peer");
