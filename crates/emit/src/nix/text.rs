//! Strings, names and functions in Nix.

use icefield_spec::{InvalidReference, Piece, pieces};

/// Words that cannot be the name of an attribute without quotes.
const KEYWORDS: [&str; 10] = ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"];

/// Appends `text` as a string.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    characters(out, text);
    out.push('"');
}

/// Appends the characters of a string.
///
/// A `$` is escaped before a `{`, and at the end because a reference may follow. Carriage returns are escaped because
/// Nix reads them as newlines.
fn characters(out: &mut String, text: &str) {
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if matches!(rest.peek(), None | Some('{')) => out.push_str("\\$"),
            other => out.push(other),
        }
    }
}

/// Appends one part of an attribute path, with quotes where it needs them.
pub(super) fn attribute(out: &mut String, name: &str) {
    if is_identifier(name) {
        out.push_str(name);
    } else {
        string(out, name);
    }
}

/// Appends an attribute path.
pub(super) fn attribute_path<'a>(out: &mut String, parts: impl IntoIterator<Item = &'a str>) {
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        attribute(out, part);
    }
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'\''))
        && !KEYWORDS.contains(&name)
}

/// Appends a text with references to variables, as an expression over the attribute set `env`.
pub(super) fn template(out: &mut String, text: &str) -> Result<(), InvalidReference> {
    let pieces = pieces(text)?;
    if let [Piece::Variable(name)] = pieces[..] {
        out.push_str("env.");
        attribute(out, name);
        return Ok(());
    }
    out.push('"');
    for piece in pieces {
        match piece {
            Piece::Text(text) => characters(out, text),
            Piece::Variable(name) => {
                out.push_str("${env.");
                attribute(out, name);
                out.push('}');
            }
        }
    }
    out.push('"');
    Ok(())
}

/// Appends the head of a function of `env`, if any of `texts` refers to it.
pub(super) fn function_of_env<'a>(
    out: &mut String,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<(), InvalidReference> {
    for text in texts {
        if pieces(text)?.iter().any(|piece| matches!(piece, Piece::Variable(_))) {
            out.push_str("env: ");
            break;
        }
    }
    Ok(())
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
    fn strings_are_escaped_where_nix_needs_it() {
        let string = |text: &str| written(|out| string(out, text));
        assert_eq!(string("plain '' text"), r#""plain '' text""#);
        assert_eq!(string("${x} $x $$"), r#""\${x} $x $\$""#);
        assert_eq!(string("a\"b\\c\nd\re\tf"), r#""a\"b\\c\nd\re\tf""#);
    }

    #[test]
    fn names_are_quoted_where_nix_needs_it() {
        let attribute = |text: &str| written(|out| attribute(out, text));
        for plain in ["web", "web-1", "_x'", "true"] {
            assert_eq!(attribute(plain), plain);
        }
        for quoted in ["", "0", "1a", "or", "if", "with", "a.b", "é", "-a"] {
            assert_eq!(attribute(quoted), format!("{quoted:?}"));
        }
    }

    #[test]
    fn references_become_nix() {
        let template = |text: &str| written(|out| template(out, text).unwrap());
        assert_eq!(template("$PORT_HTTP"), "env.PORT_HTTP");
        assert_eq!(template("--port=${PORT_HTTP}"), r#""--port=${env.PORT_HTTP}""#);
        assert_eq!(template("$$$PORT_HTTP"), r#""\$${env.PORT_HTTP}""#);
        assert_eq!(template("$${PORT_HTTP}"), r#""\${PORT_HTTP}""#);
        assert_eq!(template(""), r#""""#);
    }
}
