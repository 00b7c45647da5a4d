//! Words as systemd reads them in units.

use std::fmt::Write;

/// Appends one word of a command line.
pub fn argument(out: &mut String, text: &str) {
    if is_plain(text) { out.push_str(text) } else { quoted(out, text, true) }
}

/// Appends one assignment of `Environment=`.
pub fn assignment(out: &mut String, name: &str, value: &str) {
    if value.is_empty() || is_plain(value) {
        let _ = write!(out, "{name}={value}");
    } else {
        quoted(out, &format!("{name}={value}"), false);
    }
}

/// Whether a unit can start the program `path` as it stands: the first word of a command line may hold no quotes, and a
/// `$` in it would stay as it is while the program is told another name.
pub fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && is_plain(path)
}

fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_./:=@,+-".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

/// In quotes, with `%` doubled because it starts a specifier, and `$` where it would start a variable.
fn quoted(out: &mut String, text: &str, expands_variables: bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '%' => out.push_str("%%"),
            '$' if expands_variables => out.push_str("$$"),
            control if control.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn arguments_are_quoted_where_systemd_needs_it() {
        let argument = |text: &str| written(|out| argument(out, text));
        assert_eq!(argument("--port=80"), "--port=80");
        assert_eq!(argument(""), "\"\"");
        assert_eq!(argument(";"), "\";\"");
        assert_eq!(argument("100% of $HOME"), "\"100%% of $$HOME\"");
        assert_eq!(argument("a\"b\\c\n\u{1b}"), "\"a\\\"b\\\\c\\n\\x1b\"");
        assert_eq!(argument("grüße"), "\"grüße\"");
    }

    #[test]
    fn variables_keep_their_dollars() {
        let assignment = |value: &str| written(|out| assignment(out, "A", value));
        assert_eq!(assignment(""), "A=");
        assert_eq!(assignment("b"), "A=b");
        assert_eq!(assignment("5$ 5%"), "\"A=5$ 5%%\"");
    }
}
