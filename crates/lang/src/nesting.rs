//! How deep brackets nest, told before the parser, which would need that much stack.

use std::ops::Range;

/// Deeper than anyone writes by hand.
pub(crate) const MAX_BRACKETS: usize = 200;

/// The first bracket that is nested deeper than [`MAX_BRACKETS`].
pub(crate) fn too_deep(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at += bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at),
            b'"' | b'\'' => at = string_end(bytes, at),
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return Some(at..at + 1);
                }
                at += 1;
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
    }
    None
}

/// The byte after the string that starts at `at`. An unclosed one ends with its line, as the parser will say.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let mut at = at + if triple { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' if !triple => return at,
            b if b == quote && !triple => return at + 1,
            b if b == quote && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_brackets_only() {
        let deep = "(".repeat(MAX_BRACKETS + 1);
        assert_eq!(too_deep(&format!("x = {deep}")), Some(MAX_BRACKETS + 4..MAX_BRACKETS + 5));
        for harmless in
            [format!("# {deep}\n"), format!("'{deep}'"), format!("\"\"\"\"{deep}\"\"\""), format!("'\\'{deep}'")]
        {
            assert_eq!(too_deep(&harmless), None, "{harmless}");
        }
        assert_eq!(too_deep(&"()[]{}".repeat(1000)), None);
        assert_eq!(too_deep("'\\"), None);
    }
}
