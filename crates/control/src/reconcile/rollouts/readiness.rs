use super::view::View;

/// What a service comes after.
impl View<'_> {
    /// Whether all that it comes after is ready.
    pub(super) fn is_ready(&self) -> bool {
        true
    }
}
