//! Words of a unit as systemd reads them: quotes and escapes, `%%`, and `$$` in command lines.

use std::iter::Peekable;
use std::str::Chars;

/// The words of a value; `expands` where `$` starts a variable.
pub(crate) fn split(line: &str, expands: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if_eq(&' ').is_some() {}
        if rest.peek().is_none() {
            return words;
        }
        words.push(word(&mut rest, expands, line));
    }
}

fn word(rest: &mut Peekable<Chars<'_>>, expands: bool, line: &str) -> String {
    let mut word = String::new();
    let mut quoted = false;
    while let Some(character) = rest.next() {
        match character {
            '"' => quoted = !quoted,
            '\'' | ';' if !quoted => panic!("an unquoted {character} in {line}"),
            ' ' if !quoted => break,
            '\\' => word.push(escaped(rest)),
            '%' | '$' if character == '%' || expands => {
                assert_eq!(rest.next(), Some(character), "a specifier or variable in {line}");
                word.push(character);
            }
            other => word.push(other),
        }
    }
    assert!(!quoted, "an open quote in {line}");
    word
}

fn escaped(rest: &mut Peekable<Chars<'_>>) -> char {
    let digits = match rest.next() {
        Some('n') => return '\n',
        Some('t') => return '\t',
        Some('r') => return '\r',
        Some('b') => return '\u{8}',
        Some('f') => return '\u{c}',
        Some(same @ ('"' | '\\')) => return same,
        Some('x') => 2,
        Some('u') => 4,
        other => panic!("{other:?} is no escape"),
    };
    let hex: String = rest.by_ref().take(digits).collect();
    u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32).expect("a character's number")
}
