//! Brackets, told before the parser: one that nests too deep would need that much stack, and of one that is never closed
//! the parser only knows that the file ended.

use std::ops::Range;

/// Deeper than anyone writes by hand.
pub(crate) const MAX_BRACKETS: usize = 200;

/// The brackets of a file that need a word.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Brackets {
    /// The first that is nested deeper than [`MAX_BRACKETS`].
    pub(crate) too_deep: Option<Range<usize>>,
    /// The last that is open at the end.
    pub(crate) unclosed: Option<Range<usize>>,
}

/// Looks at all brackets of `text` that are not in strings or comments.
pub(crate) fn brackets(text: &str) -> Brackets {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at += bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at),
            b'"' | b'\'' => at = string_end(bytes, at),
            b'(' | b'[' | b'{' => {
                open.push(at);
                if open.len() > MAX_BRACKETS {
                    return Brackets { too_deep: Some(at..at + 1), unclosed: None };
                }
                at += 1;
            }
            b')' | b']' | b'}' => {
                open.pop();
                at += 1;
            }
            _ => at += 1,
        }
    }
    Brackets { too_deep: None, unclosed: open.pop().map(|at| at..at + 1) }
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
        assert_eq!(brackets(&format!("x = {deep}")).too_deep, Some(MAX_BRACKETS + 4..MAX_BRACKETS + 5));
        for harmless in
            [format!("# {deep}\n"), format!("'{deep}'"), format!("\"\"\"\"{deep}\"\"\""), format!("'\\'{deep}'")]
        {
            assert_eq!(brackets(&harmless), Brackets::default(), "{harmless}");
        }
        assert_eq!(brackets(&"()[]{}".repeat(1000)), Brackets::default());
        assert_eq!(brackets("'\\"), Brackets::default());
        assert_eq!(brackets("a([1)").unclosed, Some(1..2));
    }
}
