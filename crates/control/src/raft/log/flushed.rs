use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// How far the log has come onto the disk.
///
/// Those who wait are woken in the order in which they came, so that a simulation comes out the same each time.
#[derive(Debug)]
pub(in crate::raft) struct Flushed {
    newest: AtomicU64,
    changed: Notify,
}

impl Flushed {
    /// The log's newest entry on the disk is this one; 0 for none.
    pub(in crate::raft) fn new(newest: u64) -> Self {
        Self { newest: AtomicU64::new(newest), changed: Notify::new() }
    }

    /// The index of the newest entry that is on the disk.
    pub(in crate::raft) fn get(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Takes note of how far it has come now.
    pub(in crate::raft) fn set(&self, newest: u64) {
        self.newest.store(newest, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Returns when entry `index` is on the disk.
    pub(in crate::raft) async fn reach(&self, index: u64) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on a change is noticed.
            changed.as_mut().enable();
            if self.get() >= index {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_when_the_entry_is_there() {
        let flushed = Arc::new(Flushed::new(3));
        flushed.reach(3).await;
        let waiting = tokio::spawn({
            let flushed = Arc::clone(&flushed);
            async move { flushed.reach(5).await }
        });
        for newest in [4, 2] {
            flushed.set(newest);
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "after {newest}");
        }
        flushed.set(6);
        waiting.await.unwrap();
    }
}
