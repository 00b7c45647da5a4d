//! JSON values in Nix.

use std::fmt::Write;

use serde_json::{Number, Value};

use super::text;

/// The longest that a list on one line may be.
const LINE: usize = 80;

/// An integer that Nix has no room for.
pub(super) struct TooLarge(pub(super) u64);

/// Appends `value`; further lines start with `indent` spaces.
pub(super) fn value(out: &mut String, value: &Value, indent: usize) -> Result<(), TooLarge> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => self::number(out, number)?,
        Value::String(text) => text::string(out, text),
        Value::Array(items) => list(out, items, indent)?,
        Value::Object(fields) if fields.is_empty() => out.push_str("{ }"),
        Value::Object(fields) => {
            out.push_str("{\n");
            for (name, field) in fields {
                spaces(out, indent + 2);
                text::attribute(out, name);
                out.push_str(" = ");
                self::value(out, field, indent + 2)?;
                out.push_str(";\n");
            }
            spaces(out, indent);
            out.push('}');
        }
    }
    Ok(())
}

/// On one line if it is short and holds no list or set; else one line for each item.
fn list(out: &mut String, items: &[Value], indent: usize) -> Result<(), TooLarge> {
    if items.is_empty() {
        out.push_str("[ ]");
        return Ok(());
    }
    if !items.iter().any(|item| item.is_array() || item.is_object()) {
        let start = out.len();
        out.push('[');
        for item in items {
            out.push(' ');
            self::item(out, item, indent)?;
        }
        out.push_str(" ]");
        if out.len() - start + indent <= LINE {
            return Ok(());
        }
        out.truncate(start);
    }
    out.push_str("[\n");
    for item in items {
        spaces(out, indent + 2);
        self::item(out, item, indent + 2)?;
        out.push('\n');
    }
    spaces(out, indent);
    out.push(']');
    Ok(())
}

/// In a list, a sign would be an operator between two items.
fn item(out: &mut String, item: &Value, indent: usize) -> Result<(), TooLarge> {
    let start = out.len();
    value(out, item, indent)?;
    if out[start..].starts_with('-') {
        out.insert(start, '(');
        out.push(')');
    }
    Ok(())
}

fn number(out: &mut String, number: &Number) -> Result<(), TooLarge> {
    if number.as_i64() == Some(i64::MIN) {
        // Nix reads the sign as an operator, and the number behind it would be too large.
        out.push_str("(-9223372036854775807 - 1)");
    } else if let Some(integer) = number.as_i64() {
        let _ = write!(out, "{integer}");
    } else if let Some(integer) = number.as_u64() {
        return Err(TooLarge(integer));
    } else if let Some(float) = number.as_f64().filter(|float| float.is_subnormal()) {
        // Nix refuses to read so small a number, but not to have it.
        let _ = write!(out, "(builtins.fromJSON \"{float:e}\")");
    } else if let Some(float) = number.as_f64() {
        let start = out.len();
        let _ = write!(out, "{float:?}");
        // Nix wants a point also before an exponent.
        if !out[start..].contains('.') {
            let at = out[start..].find('e').map_or(out.len(), |at| start + at);
            out.insert_str(at, ".0");
        }
    }
    Ok(())
}

/// Appends `count` spaces.
pub(super) fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: Value) -> String {
        let mut out = String::new();
        assert!(value(&mut out, &json, 0).is_ok());
        out
    }

    #[test]
    fn short_lists_stand_on_one_line() {
        assert_eq!(written(serde_json::json!([22, "a", -1, null, true])), r#"[ 22 "a" (-1) null true ]"#);
        let long = written(serde_json::json!(["x".repeat(40), "y".repeat(40)]));
        assert_eq!(long.lines().count(), 4, "{long}");
    }

    #[test]
    fn sets_have_a_line_for_each_field() {
        let set = serde_json::json!({"a": {"b.c": []}, "if": {}});
        assert_eq!(written(set), "{\n  a = {\n    \"b.c\" = [ ];\n  };\n  \"if\" = { };\n}");
    }

    #[test]
    fn numbers_are_those_of_nix() {
        assert_eq!(written(serde_json::json!([1.5, 1e300, 1e-7, -0.25])), "[ 1.5 1.0e300 1.0e-7 (-0.25) ]");
        assert_eq!(written(serde_json::json!(i64::MIN)), "(-9223372036854775807 - 1)");
        assert_eq!(written(serde_json::json!([-1e-310])), "[ (builtins.fromJSON \"-1e-310\") ]");
        assert!(value(&mut String::new(), &serde_json::json!(u64::MAX), 0).is_err());
    }
}
