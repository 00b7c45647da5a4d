use std::io::Write;

use serde::Serialize;

use crate::command_error::CommandError;

/// Writes `text` to standard output as it is.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes `text` and the end of the line to standard output.
pub(crate) fn line(text: &str) -> Result<(), CommandError> {
    print(&format!("{text}\n"))
}

/// Writes `value` to standard output as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CommandError::because("the answer cannot be written as JSON", &error))?;
    line(&text)
}

/// Writes `text` to standard error as it is; that nobody reads it is no error.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes an error to standard error.
pub(crate) fn report(error: &CommandError) {
    complain(&error.text());
}
