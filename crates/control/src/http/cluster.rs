use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use icefield_api::{Event, EventKind, Events, NoteAnswer, NoteRequest, SCHEMA, Status};

use super::app::App;
use super::failure::Failure;
use super::reading::{Answer, Read};
use super::watch::{self, Rises, Watch};
use super::write::Write;
use crate::{Command, view};

/// What is true now.
pub(crate) async fn status(State(app): State<Arc<App>>, uri: Uri) -> Result<Answer<Status>, Failure> {
    let watch: Watch = watch::query(&uri)?;
    Read::new(&app, watch.stale).await?;
    let index = || async {
        let state = app.group.state().await;
        match app.leading.look(|seen| view::status_index(&state, seen)).await {
            Err(_) if watch.stale => Ok(state.version),
            index => Ok(index?),
        }
    };
    watch.until(&app, Rises::WithSightings, index).await?;
    let (read, servers) = (Read::again(&app, watch.stale).await, app.servers());
    let stale = read.stale;
    let look = move |state: &_, seen: Option<&_>| match seen {
        Some(seen) => Some(Status { stale, ..view::status(state, seen, servers) }),
        None => stale.map(|stale| view::stale_status(state, servers, stale)),
    };
    let status = app.look(Arc::clone(&read.state), look).await?;
    Ok(read.answer(status.ok_or_else(Failure::not_leader)?))
}

/// What happened, oldest first.
pub(crate) async fn events(State(app): State<Arc<App>>, uri: Uri) -> Result<Answer<Events>, Failure> {
    let watch: Watch = watch::query(&uri)?;
    Read::new(&app, watch.stale).await?;
    watch.until(&app, Rises::WithState, || async { Ok(app.group.state().await.last_event) }).await?;
    let read = Read::again(&app, watch.stale).await;
    let is_wanted = |event: &&Event| watch.after().is_none_or(|after| event.number > after);
    let events = read.state.events.iter().filter(is_wanted).cloned().collect();
    Ok(read.answer(Events { schema: SCHEMA, events, stale: read.stale }))
}

/// Puts an operator's note among the events.
pub(crate) async fn note(State(app): State<Arc<App>>, write: Write) -> Result<Json<NoteAnswer>, Failure> {
    let NoteRequest { text } = write.json().await?;
    check_note(&text).map_err(Failure::invalid)?;
    let notes = vec![(EventKind::Note, "operator".to_owned(), text)];
    let version = app.change(&write, Command::Note { at: app.clock.now(), notes }).await?;
    Ok(Json(NoteAnswer { schema: SCHEMA, version }))
}

/// Says what is wrong with a note: it is to be one line wherever it is shown.
fn check_note(text: &str) -> Result<(), String> {
    // Characters that end a line or turn the text around them are none that a terminal should be sent.
    let bad = |character: &char| {
        character.is_control()
            || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    match text.chars().find(bad) {
        _ if text.trim().is_empty() => Err("a note has a text".into()),
        _ if text.len() > NoteRequest::LONGEST => {
            Err(format!("a note has at most {} bytes, and this one {}", NoteRequest::LONGEST, text.len()))
        }
        Some(character) => Err(format!("a note is one line of plain text, without {:?}", character)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line() {
        assert_eq!(check_note("deploying 42: größer"), Ok(()));
        assert_eq!(check_note(&"x".repeat(1_024)), Ok(()));
        for text in ["", "  ", "two\nlines", "\u{1b}[31mred", "a\u{2028}b", "\u{202e}turned", &"ä".repeat(513)] {
            assert!(check_note(text).is_err(), "{text:?}");
        }
    }
}
