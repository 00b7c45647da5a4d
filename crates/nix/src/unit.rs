//! What the folder of a service's closure holds besides its package: a systemd unit that says nothing of any node.

use std::fmt::Write as _;

use icefield_spec::{InvalidReference, Name, Piece, pieces};

/// `lib/systemd/system/icefield-<service>@.service`: the instance is the replica's number.
///
/// What differs between replicas and nodes (ports, addresses, variables, limits) is in the drop-in that a generation gives it;
/// there its `PATH` begins with the closure's `bin`.
pub(crate) fn text(service: &Name, command: &[String]) -> Result<String, InvalidReference> {
    let mut out = format!("[Unit]\nDescription=Replica %i of {service}\nAfter=network-online.target\n\n[Service]\n");
    let _ = write!(out, "Type=exec\nExecStart=/usr/bin/env");
    for word in command {
        out.push_str(" \"");
        for piece in pieces(word)? {
            match piece {
                Piece::Text(text) => escape(&mut out, text),
                Piece::Variable(name) => {
                    let _ = write!(out, "${{{name}}}");
                }
            }
        }
        out.push('"');
    }
    out.push_str("\nRestart=always\nRestartSec=1s\n");
    Ok(out)
}

/// systemd reads `%` as the start of a specifier and `$` as that of a variable.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_nothing_of_a_node() {
        let command = ["serve", "--port=$PORT_HTTP", "100% $$x \"q\""].map(str::to_owned);
        let text = text(&Name::new("web").unwrap(), &command).unwrap();
        assert!(text.contains("Description=Replica %i of web\n"), "{text}");
        let line = r#"ExecStart=/usr/bin/env "serve" "--port=${PORT_HTTP}" "100%% $$x \"q\"""#;
        assert!(text.contains(line), "{text}");
    }
}
