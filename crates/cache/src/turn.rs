use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Leave to have a thread wait for a client. There are fewer of these than threads: what is sent needs threads too.
pub(crate) struct Turn {
    /// How long the client may take nothing.
    pause: Duration,
    taken: Taken,
    _permit: OwnedSemaphorePermit,
}

/// What a client has taken of what was handed over as a whole, to be read while it is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken(Arc<AtomicU64>);

impl Taken {
    /// The client has taken some more.
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Turn {
    pub(crate) fn new(permit: OwnedSemaphorePermit, pause: Duration) -> Self {
        Self { pause, taken: Taken::default(), _permit: permit }
    }

    /// Where it is noted that the client takes something.
    pub(crate) fn taken(&self) -> Taken {
        self.taken.clone()
    }

    /// Hands the next of an answer over, for which this thread waits as long as the client takes something of what is before
    /// it.
    ///
    /// # Errors
    /// The client is gone, or takes nothing.
    pub(crate) fn hand_over<T>(&self, to: &mpsc::Sender<T>, next: T) -> io::Result<()> {
        let mut next = match to.try_send(next) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(next)) => next,
            Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        loop {
            let before = self.taken.0.load(Ordering::Relaxed);
            match Handle::current().block_on(to.send_timeout(next, self.pause)) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(SendTimeoutError::Timeout(again)) if self.taken.0.load(Ordering::Relaxed) != before => next = again,
                Err(SendTimeoutError::Timeout(_)) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of it"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::Semaphore;
    use tokio::task::spawn_blocking;

    use super::*;

    async fn turn(pause: Duration) -> Turn {
        Turn::new(Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap(), pause)
    }

    #[tokio::test]
    async fn no_thread_waits_for_a_client_that_takes_nothing() {
        let turn = turn(Duration::from_millis(50)).await;
        let (sender, receiver) = mpsc::channel(1);
        let began = Instant::now();
        let handed = spawn_blocking(move || (turn.hand_over(&sender, 1), turn.hand_over(&sender, 2))).await.unwrap();
        handed.0.unwrap();
        assert_eq!(handed.1.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= Duration::from_millis(50));
        drop(receiver);
    }

    #[tokio::test]
    async fn a_client_that_is_long_at_something_large_is_waited_for() {
        let turn = turn(Duration::from_secs(2)).await;
        let (taken, (sender, mut receiver)) = (turn.taken(), mpsc::channel(1));
        let handing = spawn_blocking(move || [1, 2].map(|next| turn.hand_over(&sender, next).is_ok()));
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            taken.note();
        }
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), Some(2)));
        assert_eq!(handing.await.unwrap(), [true, true]);
    }

    #[tokio::test]
    async fn no_thread_waits_for_a_client_that_is_gone() {
        let turn = turn(Duration::from_secs(600)).await;
        let (sender, receiver) = mpsc::channel(1);
        let handing = spawn_blocking(move || [1, 2, 3].map(|next| turn.hand_over(&sender, next).is_ok()));
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(receiver);
        assert_eq!(handing.await.unwrap(), [true, false, false]);
    }
}
