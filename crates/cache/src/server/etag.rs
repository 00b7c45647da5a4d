use hyper::HeaderMap;
use hyper::header::{HeaderValue, IF_NONE_MATCH, IF_RANGE};

/// The tag of a text: the same for the same text.
pub(crate) fn etag(text: &[u8]) -> HeaderValue {
    quoted(&crate::Hash::of(text).base32()[..26])
}

/// A tag that is made of letters which need no escape.
pub(super) fn quoted(text: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{text}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether the client has what it asks for.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Some(known) = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else { return false };
    let tag = tag.to_str().unwrap_or_default();
    known.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
}

/// Whether a part may be given: the client has the other part of this, and of nothing else.
pub(super) fn continues(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers.get(IF_RANGE).is_none_or(|known| known == tag)
}
