use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Does what may take long where it keeps no other task from running.
///
/// On a runtime of one thread it is done at once: there, what runs when depends on nothing but the clock, and a
/// simulation comes out the same each time.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if is_single() { Ok(work()) } else { tokio::task::spawn_blocking(work).await }
}

/// Whether this runtime has one thread for everything.
pub(crate) fn is_single() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}
