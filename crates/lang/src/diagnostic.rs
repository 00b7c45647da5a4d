use serde::{Deserialize, Serialize};

/// One thing to tell the author of a file: what is wrong, where, and what to do.
///
/// It holds the line it speaks of, so it can be shown without the file, which may have changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` for what belongs to no place in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// A few words for beside the underlined text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What else belongs to it: where it was called from, where the first of two is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// There is no spec until it is mended.
    Error,
    /// The spec stands, but this is probably not meant.
    Warning,
}

/// Something that belongs to a [`Diagnostic`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What there is to say.
    pub message: String,
    /// Where, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A piece of a file. Lines and columns start at 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file, relative to the root file's folder.
    pub file: String,
    /// The line of the first character.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// The line of the last character.
    pub end_line: usize,
    /// The column after the last character.
    pub end_column: usize,
    /// The first line's text; `None` where it is too long to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// A line of a file and the part of it that is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Excerpt {
    /// The line.
    pub text: String,
    /// The byte in it that the part starts at.
    pub start: usize,
    /// The byte in it that the part ends before.
    pub end: usize,
}

impl Diagnostic {
    /// An error of no place.
    pub fn error(message: impl Into<String>) -> Self {
        Self { level: Level::Error, message: message.into(), place: None, label: None, help: None, notes: Vec::new() }
    }

    /// The same with help.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Bounds what a file may make it say, and puts further lines of a message into notes.
    pub(crate) fn tidy(&mut self) {
        let mut lines = self.message.lines().map(|line| clip(line, Self::MAX_TEXT)).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let further: Vec<Note> = lines.take(Self::MAX_LINES).map(|message| Note { message, place: None }).collect();
        self.message = first;
        self.notes.splice(0..0, further);
        for text in [&mut self.label, &mut self.help].into_iter().flatten() {
            *text = clip(text, Self::MAX_TEXT);
        }
    }

    const MAX_TEXT: usize = 600;
    const MAX_LINES: usize = 20;

    /// Whether it stands in the way of a spec.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

impl Place {
    /// Longer lines (minified or machine-made) are not shown.
    const MAX_LINE: usize = 2_000;

    /// The bytes from `start` to `end` of a file's `text`.
    pub(crate) fn new(file: &str, text: &str, start: usize, end: usize) -> Self {
        let start = floor_boundary(text, start);
        let end = floor_boundary(text, end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let last_line_start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + text[..line_start].matches('\n').count();
        let excerpt = (line_end - line_start <= Self::MAX_LINE).then(|| Excerpt {
            text: text[line_start..line_end].trim_end_matches('\r').to_owned(),
            start: start - line_start,
            end: end.min(line_end) - line_start,
        });
        Self {
            file: file.to_owned(),
            line,
            column: 1 + text[line_start..start].chars().count(),
            end_line: line + text[start..end].matches('\n').count(),
            end_column: 1 + text[last_line_start..end].chars().count(),
            excerpt,
        }
    }
}

fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_and_shows_the_first_line() {
        let text = "a = 1\nπ = f(\n  2)\n";
        let place = Place::new("x.star", text, 11, 17);
        assert_eq!((place.line, place.column, place.end_line, place.end_column), (2, 5, 3, 4));
        let excerpt = place.excerpt.unwrap();
        assert_eq!(excerpt.text, "π = f(");
        assert_eq!(&excerpt.text[excerpt.start..excerpt.end], "f(");
    }

    #[test]
    fn is_bounded_and_of_one_line() {
        let mut diagnostic = Diagnostic::error(format!("first\nsecond {}", "x".repeat(10_000)));
        diagnostic.tidy();
        assert_eq!(diagnostic.message, "first");
        assert_eq!(diagnostic.notes[0].message.chars().count(), Diagnostic::MAX_TEXT + 1);
    }

    #[test]
    fn never_panics_on_odd_positions() {
        for (start, end) in [(0, 0), (1, 2), (3, 1), (90, 99)] {
            Place::new("x.star", "ππ\r\n", start, end);
        }
    }
}
