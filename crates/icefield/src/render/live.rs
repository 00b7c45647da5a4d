use console::{Term, truncate_str};

use crate::command_error::CommandError;

/// Text that is drawn over itself on a terminal, and written once for each change elsewhere.
#[derive(Debug)]
pub(crate) struct LiveText {
    term: Term,
    shown: Vec<String>,
}

impl LiveText {
    /// Nothing shown yet.
    pub(crate) fn new(term: Term) -> Self {
        Self { term, shown: Vec::new() }
    }

    /// Whether text is drawn over itself.
    pub(crate) fn is_live(&self) -> bool {
        self.term.is_term()
    }

    /// How many lines fit.
    pub(crate) fn rows(&self) -> usize {
        if self.is_live() { usize::from(self.term.size().0).saturating_sub(1) } else { usize::MAX }
    }

    /// Shows `text` in place of what was shown.
    pub(crate) fn show(&mut self, text: &str) -> Result<(), CommandError> {
        let width = if self.is_live() { usize::from(self.term.size().1) } else { usize::MAX };
        let lines: Vec<String> = text.lines().map(|line| truncate_str(line, width, "…").into_owned()).collect();
        if lines == self.shown {
            return Ok(());
        }
        if self.is_live() {
            self.term.clear_last_lines(self.shown.len())?;
        }
        self.term.write_str(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        self.shown = lines;
        Ok(())
    }

    /// Writes a line that stays, above the live text.
    pub(crate) fn note(&mut self, line: &str) -> Result<(), CommandError> {
        if self.is_live() {
            self.term.clear_last_lines(self.shown.len())?;
        }
        self.term.write_line(line)?;
        if self.is_live() {
            self.term.write_str(&self.shown.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        }
        Ok(())
    }
}
