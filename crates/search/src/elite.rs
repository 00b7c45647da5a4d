use std::sync::{Mutex, PoisonError};

use crate::State;
use crate::state::Standing;

/// The best layout that any thread has found.
#[derive(Debug)]
pub(crate) struct Elite {
    best: Mutex<(Standing, Vec<u32>)>,
}

impl Elite {
    /// Begins with the layout that the search starts from.
    pub(crate) fn new(state: &State<'_>) -> Self {
        Self { best: Mutex::new((state.standing(), state.places().to_vec())) }
    }

    /// Takes a layout in if it is the best so far; gives the best back if that is a better one.
    pub(crate) fn meet(&self, standing: Standing, places: &[u32]) -> Option<(Standing, Vec<u32>)> {
        // A thread that panicked while it held the lock cannot have left half a layout: it is replaced at once.
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        if standing < best.0 {
            *best = (standing, places.to_vec());
        }
        (best.0 < standing).then(|| best.clone())
    }

    /// The best of all.
    pub(crate) fn into_best(self) -> (Standing, Vec<u32>) {
        self.best.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
