use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// All that happened, as a hash, and the last of it in words.
#[derive(Debug)]
pub(crate) struct Trace {
    start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    hasher: blake3::Hasher,
    last: VecDeque<String>,
}

impl Trace {
    /// How many events are kept in words.
    const KEPT: usize = 60;

    /// A trace that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), inner: Mutex::default() }
    }

    /// The milliseconds since the start.
    pub(crate) fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Something happened that a reader of a failure wants to know.
    pub(crate) fn note(&self, text: impl Into<String>) {
        let text = format!("{:>7} ms  {}", self.elapsed(), text.into());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.hasher.update(text.as_bytes());
        if inner.last.len() == Self::KEPT {
            inner.last.pop_front();
        }
        inner.last.push_back(text);
    }

    /// Something happened that is too common to be kept in words.
    pub(crate) fn mark(&self, numbers: [u64; 3], content: &[u8]) {
        let now = self.elapsed();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for number in [now].into_iter().chain(numbers) {
            inner.hasher.update(&number.to_le_bytes());
        }
        inner.hasher.update(content);
    }

    /// The hash of all that happened.
    pub(crate) fn hash(&self) -> String {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).hasher.finalize().to_hex()[..16].to_owned()
    }

    /// The last events in words, oldest first.
    pub(crate) fn last(&self) -> Vec<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last.iter().cloned().collect()
    }
}
