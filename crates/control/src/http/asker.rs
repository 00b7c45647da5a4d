use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::failure::Failure;
use crate::access::{Caller, Presented};
use crate::state::Author;

/// Who sent a request, as the guard has found out.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// Who it is.
    pub(crate) caller: Caller,
    /// What its connection came with.
    pub(crate) presented: Presented,
    /// The same for the audit log.
    pub(crate) author: Author,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let asker = parts.extensions.get().cloned();
        asker.ok_or_else(|| Failure::invalid("it is not known who asks"))
    }
}
