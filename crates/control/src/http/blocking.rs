use icefield_api::ErrorCode;

use super::failure::Failure;

/// Computes something that may take long, where it keeps no other task from running.
pub(crate) async fn blocking<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    crate::blocking::blocking(compute).await.map_err(|error| {
        tracing::error!(%error, "an answer could not be computed; this is a mistake in icefield");
        Failure::new(ErrorCode::Internal, "this server made a mistake; its log says more")
    })
}
