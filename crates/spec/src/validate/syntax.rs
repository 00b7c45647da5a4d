//! How words must be written.

/// What [`is_label`] wants.
pub(super) const LABEL_HELP: &str = "1 to 63 of letters, digits, '.', '_', '/' and '-'";

/// Whether it can be the key or value of a label, a taint or the name of a resource.
pub(super) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
}

pub(super) fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) fn is_attribute_path(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-'".contains(&b));
    text.split('.').all(part)
}
