//! What to do about a word that nobody knows.

use crate::nearest;

/// The known word that is meant, or else all of them; `None` if there are none.
pub(super) fn suggestion<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    match nearest(word, candidates.clone()) {
        Some(near) => Some(format!("did you mean {near:?}?")),
        None if candidates.clone().next().is_some() => Some(format!("known: {}", list(candidates))),
        None => None,
    }
}

/// The same for what the declared nodes have: `what` is the plural.
pub(super) fn unknown_help<'a>(word: &str, what: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.clone().next().is_some() => format!("{what} of the declared nodes: {}", list(known)),
        None => format!("the declared nodes have no {what}"),
    }
}

/// The first few words.
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let mut words: Vec<&str> = words.collect();
    let more = words.len().saturating_sub(SHOWN);
    words.truncate(SHOWN);
    let shown = words.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
